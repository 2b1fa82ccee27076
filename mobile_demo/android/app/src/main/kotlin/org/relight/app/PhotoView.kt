package org.relight.app

import android.content.Context
import android.graphics.Bitmap
import android.graphics.Canvas
import android.graphics.Paint
import android.util.AttributeSet
import android.view.MotionEvent
import android.widget.ImageView

/** The photo under the new light; held down, as it was. */
class PhotoView
    @JvmOverloads
    constructor(context: Context, attributes: AttributeSet? = null) : ImageView(context, attributes) {
        var before: Bitmap? = null
            set(value) {
                field = value
                after = value
            }
        var after: Bitmap? = null
            set(value) {
                field = value
                if (!held) setImageBitmap(value)
            }

        /** Whether the photo as it was is shown. */
        var held = false
            private set

        private val paint =
            Paint(Paint.ANTI_ALIAS_FLAG).apply {
                color = android.graphics.Color.WHITE
                textSize = TEXT * resources.displayMetrics.density * resources.configuration.fontScale
            }
        private val ground = Paint(Paint.ANTI_ALIAS_FLAG).apply { color = GROUND }

        init {
            scaleType = ScaleType.FIT_CENTER
            isLongClickable = true
            isFocusable = true
        }

        override fun performLongClick(): Boolean {
            hold(true)
            return true
        }

        override fun onTouchEvent(event: MotionEvent): Boolean {
            val up = event.actionMasked == MotionEvent.ACTION_UP || event.actionMasked == MotionEvent.ACTION_CANCEL
            if (up && held) hold(false)
            return super.onTouchEvent(event)
        }

        private fun hold(on: Boolean) {
            if (before == null) return
            held = on
            setImageBitmap(if (on) before else after)
            invalidate()
        }

        override fun onDraw(canvas: Canvas) {
            super.onDraw(canvas)
            if (!held) return
            val words = context.getString(R.string.before)
            val size = paint.textSize
            canvas.drawRoundRect(size / 2, size / 2, paint.measureText(words) + 2 * size, 2.5f * size, size, size, ground)
            canvas.drawText(words, 1.25f * size, 1.85f * size, paint)
        }

        private companion object {
            const val TEXT = 16f
            const val GROUND = 0xB0000000.toInt()
        }
    }
