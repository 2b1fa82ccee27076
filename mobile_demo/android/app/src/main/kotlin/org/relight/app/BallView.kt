package org.relight.app

import android.content.Context
import android.graphics.Bitmap
import android.graphics.Canvas
import android.graphics.DashPathEffect
import android.graphics.Paint
import android.graphics.Path
import android.os.Bundle
import android.util.AttributeSet
import android.view.KeyEvent
import android.view.MotionEvent
import android.view.View
import android.view.accessibility.AccessibilityNodeInfo
import android.view.accessibility.AccessibilityNodeInfo.AccessibilityAction
import android.widget.SeekBar
import org.relight.core.Angles
import org.relight.core.Light
import kotlin.math.PI
import kotlin.math.abs
import kotlin.math.acos
import kotlin.math.asin
import kotlin.math.atan2
import kotlin.math.cos
import kotlin.math.hypot
import kotlin.math.min
import kotlin.math.sin

/** Where a lamp lies in the square of the ball, x to the right and y down, -1..1, and back. */
object Pad {
    /** Radius of the ball; outside it, up to the rim, the light comes from behind. */
    const val BALL = 0.74
    const val RIM = 0.94

    fun anglesAt(x: Double, y: Double): Angles {
        val far = min(hypot(x, y), RIM)
        val turn = atan2(-y, x)
        val theta = if (far <= BALL) asin(far / BALL) else PI / 2 * (1 + (far - BALL) / (RIM - BALL))
        return Light.anglesOf(doubleArrayOf(sin(theta) * cos(turn), -cos(theta), sin(theta) * sin(turn)))
    }

    fun placeOf(angles: Angles): Pair<Double, Double> {
        val (x, y, z) = Light.direction(angles)
        val theta = acos((-y).coerceIn(-1.0, 1.0))
        val far = if (theta <= PI / 2) BALL * sin(theta) else BALL + (RIM - BALL) * (theta / (PI / 2) - 1)
        val side = hypot(x, z)
        if (side < 1e-9) return 0.0 to if (theta > 1) -RIM else 0.0
        return far * x / side to -far * z / side
    }
}

/** The ball that shows the light, and is dragged; arrow keys and screen readers move the lamp in steps. */
class BallView
    @JvmOverloads
    constructor(context: Context, attributes: AttributeSet? = null) : View(context, attributes) {
        /** Called with the angles, and whether the finger is up again. */
        var onLamp: ((Angles, Boolean) -> Unit)? = null
        var angles = Angles(0.0, 0.0)
            private set

        private val ball = Bitmap.createBitmap(SIDE, SIDE, Bitmap.Config.ARGB_8888)
        private val smooth = Paint(Paint.ANTI_ALIAS_FLAG or Paint.FILTER_BITMAP_FLAG)
        private val line = Paint(Paint.ANTI_ALIAS_FLAG).apply { style = Paint.Style.STROKE }
        private val fill = Paint(Paint.ANTI_ALIAS_FLAG)
        private val clip = Path()

        init {
            isFocusable = true
            isClickable = true
        }

        /** Show a light; `words` are read to those who do not see it. */
        fun show(light: Light, lamp: Angles, words: String) {
            angles = lamp
            val pixels = light.ball(SIDE)
            ball.setPixels(pixels, 0, SIDE, 0, 0, SIDE, SIDE)
            contentDescription = "${context.getString(R.string.ball)}: $words"
            invalidate()
        }

        override fun onDraw(canvas: Canvas) {
            super.onDraw(canvas)
            val half = min(width, height) / 2f
            canvas.save()
            canvas.translate(width / 2f, height / 2f)
            line.color = context.getColor(R.color.faint)
            line.strokeWidth = half / 60
            line.pathEffect = DashPathEffect(floatArrayOf(half / 18, half / 18), 0f)
            canvas.drawCircle(0f, 0f, (half * Pad.RIM).toFloat(), line)
            val edge = (half * Pad.BALL).toFloat()
            clip.reset()
            clip.addCircle(0f, 0f, edge * INSIDE, Path.Direction.CW)
            canvas.save()
            canvas.clipPath(clip)
            canvas.drawBitmap(ball, null, android.graphics.RectF(-edge, -edge, edge, edge), smooth)
            canvas.restore()
            val (x, y) = Pad.placeOf(angles)
            fill.color = LAMP
            canvas.drawCircle((x * half).toFloat(), (y * half).toFloat(), half / 10, fill)
            line.pathEffect = null
            line.strokeWidth = half / 36
            line.color = if (isFocused) context.getColor(R.color.lamp) else RING
            canvas.drawCircle((x * half).toFloat(), (y * half).toFloat(), half / 10, line)
            canvas.restore()
        }

        override fun onTouchEvent(event: MotionEvent): Boolean {
            val half = min(width, height) / 2.0
            val lamp = Pad.anglesAt((event.x - width / 2.0) / half, (event.y - height / 2.0) / half)
            when (event.actionMasked) {
                MotionEvent.ACTION_DOWN -> {
                    // What scrolls around the ball must not take the finger away.
                    parent?.requestDisallowInterceptTouchEvent(true)
                    onLamp?.invoke(lamp, false)
                }
                MotionEvent.ACTION_MOVE -> onLamp?.invoke(lamp, false)
                MotionEvent.ACTION_UP -> {
                    onLamp?.invoke(lamp, true)
                    performClick()
                }
                MotionEvent.ACTION_CANCEL -> onLamp?.invoke(angles, true)
            }
            return true
        }

        override fun onKeyDown(code: Int, event: KeyEvent): Boolean {
            val (aside, up) =
                when (code) {
                    KeyEvent.KEYCODE_DPAD_LEFT -> -STEP to 0.0
                    KeyEvent.KEYCODE_DPAD_RIGHT -> STEP to 0.0
                    KeyEvent.KEYCODE_DPAD_UP -> 0.0 to STEP
                    KeyEvent.KEYCODE_DPAD_DOWN -> 0.0 to -STEP
                    else -> return super.onKeyDown(code, event)
                }
            step(aside, up)
            return true
        }

        private fun step(aside: Double, up: Double) {
            var azimuth = angles.azimuth + aside
            if (abs(azimuth) > 180) azimuth -= 360 * Math.signum(azimuth)
            onLamp?.invoke(Angles(azimuth, (angles.elevation + up).coerceIn(-90.0, 90.0)), true)
        }

        override fun getAccessibilityClassName(): CharSequence = SeekBar::class.java.name

        override fun onInitializeAccessibilityNodeInfo(info: AccessibilityNodeInfo) {
            super.onInitializeAccessibilityNodeInfo(info)
            info.addAction(AccessibilityAction.ACTION_SCROLL_FORWARD)
            info.addAction(AccessibilityAction.ACTION_SCROLL_BACKWARD)
            info.addAction(AccessibilityAction.ACTION_SCROLL_UP)
            info.addAction(AccessibilityAction.ACTION_SCROLL_DOWN)
        }

        override fun performAccessibilityAction(action: Int, arguments: Bundle?): Boolean {
            when (action) {
                AccessibilityAction.ACTION_SCROLL_FORWARD.id -> step(READER_STEP, 0.0)
                AccessibilityAction.ACTION_SCROLL_BACKWARD.id -> step(-READER_STEP, 0.0)
                AccessibilityAction.ACTION_SCROLL_UP.id -> step(0.0, READER_STEP)
                AccessibilityAction.ACTION_SCROLL_DOWN.id -> step(0.0, -READER_STEP)
                else -> return super.performAccessibilityAction(action, arguments)
            }
            return true
        }

        private companion object {
            const val SIDE = 96
            const val INSIDE = 0.97f
            const val STEP = 5.0
            const val READER_STEP = 15.0
            const val LAMP = 0xFFFFCF7D.toInt()
            const val RING = 0xFF4A2B00.toInt()
        }
    }
