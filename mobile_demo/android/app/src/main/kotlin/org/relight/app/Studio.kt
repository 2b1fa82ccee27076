package org.relight.app

import android.content.Context
import android.graphics.Bitmap
import android.graphics.Canvas
import android.graphics.Paint
import android.graphics.Rect
import android.graphics.RectF
import org.relight.core.Argb
import org.relight.core.Face
import org.relight.core.Faces
import org.relight.core.Finder
import org.relight.core.KeptRows
import org.relight.core.Mask
import org.relight.core.Outdated
import org.relight.core.PersonMask
import org.relight.core.Picture
import org.relight.core.Place
import org.relight.core.Plane
import org.relight.core.Planes
import org.relight.core.Portrait
import org.relight.core.Window
import org.relight.core.Wish
import java.util.concurrent.Executors
import java.util.concurrent.atomic.AtomicInteger
import kotlin.math.max
import kotlin.math.roundToInt

/** What the studio has to say; called on its own thread. */
interface StudioListener {
    fun onReady(name: String, milliseconds: Long)

    fun onOpened(before: Bitmap, width: Int, height: Int, faces: List<Face>, smaller: Boolean)

    fun onPreview(picture: Bitmap)

    fun onProgress(share: Float)

    fun onResult(shown: Bitmap, seconds: Double)

    fun onFailed(error: Throwable)
}

/**
 * Everything that takes time, on one thread that owns the networks and the photo. It outlives the Activity when that
 * is made anew for a turned phone.
 */
class Studio(private val context: Context) {
    private val thread = Executors.newSingleThreadExecutor { Thread(it, "studio").apply { priority = Thread.NORM_PRIORITY - 1 } }
    private val wish = AtomicInteger()

    @Volatile
    var listener: StudioListener? = null

    /** The photo at full size, and what was made of it last; null where there is none. */
    @Volatile
    var result: Bitmap? = null
        private set

    private val networks by lazy { Networks(context) }
    private var photo: Bitmap? = null
    private var preview: BitmapPicture? = null
    private var portrait: Portrait? = null

    fun start() = perform { listener?.onReady(networks.name, networks.milliseconds) }

    /** Read a photo, find its faces, and read its light. */
    fun open(read: () -> Photo) {
        wish.incrementAndGet()
        perform {
            result = null
            portrait = null
            preview = null
            photo = null
            val (bitmap, smaller) = read()
            val looked = shrunk(bitmap, LOOKED_AT)
            val scale = bitmap.width.toDouble() / looked.width
            val faces =
                Faces.find(looked.width, looked.height) { look(looked, it) }
                    .map { Face(it.left * scale, it.top * scale, it.width * scale, it.height * scale, it.score, it.tilt) }
            val made = Portrait(BitmapPicture(bitmap), faces, networks.full, networks.quick) { maskOf(bitmap, it) }
            photo = bitmap
            portrait = made
            preview = BitmapPicture(shrunk(bitmap, PREVIEW_SIDE), KeptRows())
            listener?.onOpened(shrunk(bitmap, SHOWN_SIDE), bitmap.width, bitmap.height, faces, smaller)
        }
    }

    /** A small picture under a light, for while it moves; wishes that come quickly pass over older ones. */
    fun preview(wanted: Wish) {
        val mine = wish.incrementAndGet()
        perform {
            val (made, small) = (portrait ?: return@perform) to (preview ?: return@perform)
            if (mine != wish.get()) return@perform
            val pixels = IntArray(small.width * small.height)
            made.render(small, made.changes(wanted.light, quickly = true), wanted, PREVIEW_LOOKED_AT) { y, row ->
                row.copyInto(pixels, y * small.width, 0, small.width)
            }
            listener?.onPreview(Bitmap.createBitmap(pixels, small.width, small.height, Bitmap.Config.ARGB_8888))
        }
    }

    /** The whole photo under a light; ends early when another wish comes. */
    fun full(wanted: Wish) {
        val mine = wish.incrementAndGet()
        perform {
            val (made, whole) = (portrait ?: return@perform) to (photo ?: return@perform)
            if (mine != wish.get()) return@perform
            val start = System.nanoTime()
            result = null
            val relit = Bitmap.createBitmap(whole.width, whole.height, Bitmap.Config.ARGB_8888)
            relit.setHasAlpha(whole.hasAlpha())
            val pause = { share: Float ->
                if (mine != wish.get()) throw Outdated()
                listener?.onProgress(share)
                Unit
            }
            val changes = made.changes(wanted.light)
            pause(0f)
            made.render(BitmapPicture(whole), changes, wanted, pause = pause) { y, row ->
                relit.setPixels(row, 0, whole.width, 0, y, whole.width, 1)
            }
            result = relit
            listener?.onResult(shrunk(relit, SHOWN_SIDE), (System.nanoTime() - start) / 1e9)
        }
    }

    /** Do something with the last result, after all that was asked before. */
    fun withResult(work: (Bitmap) -> Unit) = perform { result?.let(work) }

    /** Wait until all that was asked is done; for tests. */
    fun await() {
        thread.submit {}.get()
    }

    fun close() {
        listener = null
        wish.incrementAndGet()
        thread.execute { networks.close() }
        thread.shutdown()
    }

    private fun perform(work: () -> Unit) {
        thread.execute {
            try {
                work()
            } catch (_: Outdated) {
                // Another wish came.
            } catch (error: OutOfMemoryError) {
                listener?.onFailed(error)
            } catch (error: Exception) {
                listener?.onFailed(error)
            }
        }
    }

    private fun look(picture: Bitmap, window: Window): Pair<FloatArray, FloatArray> {
        val side = window.finder.side
        val square = drawn(picture, Rect(window.left, window.top, window.left + window.side, window.top + window.side), side, side)
        return networks.look(window.finder, rgb(square) { it / HALF - 1 })
    }

    private fun maskOf(picture: Bitmap, place: Place): Mask {
        val part = Rect(place.left, place.top, place.left + place.width, place.top + place.height)
        val side = Networks.PEOPLE_SIDE
        val mask = Plane(side, side, networks.people(rgb(drawn(picture, part, side, side)) { it / WHITE }))
        val scale = minOf(1.0, MASK_SIDE.toDouble() / max(place.width, place.height))
        val width = max(1, (place.width * scale).roundToInt())
        val height = max(1, (place.height * scale).roundToInt())
        return PersonMask(drawn(picture, part, width, height), Planes.resize(mask, width, height), place)
    }

    companion object {
        const val PREVIEW_SIDE = 400
        private const val PREVIEW_LOOKED_AT = 64
        private const val SHOWN_SIDE = 1600
        private const val LOOKED_AT = 1024
        private const val MASK_SIDE = 384
        private const val HALF = 127.5f
        private const val WHITE = 255f

        /** A part of a picture at another size, as ARGB; black beside the picture. */
        fun drawn(picture: Bitmap, part: Rect, width: Int, height: Int): IntArray {
            val made = Bitmap.createBitmap(width, height, Bitmap.Config.ARGB_8888)
            made.eraseColor(android.graphics.Color.BLACK)
            val scaleX = width.toFloat() / part.width()
            val scaleY = height.toFloat() / part.height()
            val inside = Rect(part)
            if (inside.intersect(0, 0, picture.width, picture.height)) {
                // Halved first as often as that is possible: one filtered step would skip pixels.
                var source = Bitmap.createBitmap(picture, inside.left, inside.top, inside.width(), inside.height())
                val wide = max(1, (inside.width() * scaleX).roundToInt())
                val high = max(1, (inside.height() * scaleY).roundToInt())
                while (source.width >= 2 * wide && source.height >= 2 * high) {
                    source = Bitmap.createScaledBitmap(source, source.width / 2, source.height / 2, true)
                }
                val target = RectF((inside.left - part.left) * scaleX, (inside.top - part.top) * scaleY, 0f, 0f)
                target.right = target.left + inside.width() * scaleX
                target.bottom = target.top + inside.height() * scaleY
                Canvas(made).drawBitmap(source, null, target, Paint(Paint.FILTER_BITMAP_FLAG))
            }
            return IntArray(width * height).also { made.getPixels(it, 0, width, 0, 0, width, height) }
        }

        fun shrunk(picture: Bitmap, side: Int): Bitmap {
            val scale = side.toDouble() / max(picture.width, picture.height)
            if (scale >= 1) return picture
            val width = max(1, (picture.width * scale).roundToInt())
            val height = max(1, (picture.height * scale).roundToInt())
            val pixels = drawn(picture, Rect(0, 0, picture.width, picture.height), width, height)
            return Bitmap.createBitmap(pixels, width, height, Bitmap.Config.ARGB_8888)
        }

        private fun rgb(pixels: IntArray, tell: (Int) -> Float): FloatArray {
            val values = FloatArray(3 * pixels.size)
            pixels.forEachIndexed { i, pixel ->
                values[3 * i] = tell(Argb.red(pixel))
                values[3 * i + 1] = tell(Argb.green(pixel))
                values[3 * i + 2] = tell(Argb.blue(pixel))
            }
            return values
        }
    }
}

/** The rows of a bitmap. */
class BitmapPicture(private val bitmap: Bitmap, override val kept: KeptRows? = null) : Picture {
    override val width get() = bitmap.width
    override val height get() = bitmap.height

    override fun row(y: Int, into: IntArray) = bitmap.getPixels(into, 0, width, 0, y, width, 1)
}
