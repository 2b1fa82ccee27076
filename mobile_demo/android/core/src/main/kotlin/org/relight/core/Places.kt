package org.relight.core

import kotlin.math.max
import kotlin.math.min

/** A face: the box from the hairline to the chin, in pixels, and how far the head is tilted clockwise, in degrees. */
data class Face(
    val left: Double,
    val top: Double,
    val width: Double,
    val height: Double,
    val score: Double = 1.0,
    val tilt: Double = 0.0,
)

/** A stretch of one axis, and how the change dies out towards its ends inside the picture. */
class Span(val first: Int, val last: Int, private val end: Int, private val fade: Double) {
    /** The weight of the change at a place, the middle of pixels at .5. */
    fun ramp(place: Double): Float {
        val fromStart = if (first > 0) (place - first) / fade else 1.0
        val fromEnd = if (last < end) (last - place) / fade else 1.0
        val ramp = min(fromStart, fromEnd).coerceIn(0.0, 1.0)
        return (ramp * ramp * (3 - 2 * ramp)).toFloat()
    }
}

/**
 * A part of a picture that is relit by itself; `whole` is all of it, without borders. `turn` is by how many degrees its
 * head is turned clockwise against how networks see it.
 */
class Place(val across: Span, val down: Span, val whole: Boolean, val turn: Double = 0.0) {
    val left get() = across.first
    val top get() = down.first
    val width get() = across.last - across.first
    val height get() = down.last - down.first
}

/** Which parts of a photo are relit: the whole of a close portrait, else a square around each face. */
object Places {
    private const val CROP_SIDE = 2.0
    private const val WHOLE_SIDE = 2.6
    private const val STRETCH = 1.25
    private const val FADE = 0.3

    fun of(width: Int, height: Int, faces: List<Face>): List<Place> {
        val close = faces.size == 1 && max(width, height) <= WHOLE_SIDE * faces[0].height
        if (faces.isEmpty() || close) {
            val turn = if (close) Turning.of(faces[0].tilt) else 0.0
            return listOf(Place(Span(0, width, width, 1.0), Span(0, height, height, 1.0), true, turn))
        }
        return faces.map {
            val side = CROP_SIDE * it.height
            val across = span(it.left + it.width / 2, side, width)
            val down = span(it.top + it.height / 2, side, height)
            Place(across, down, false, Turning.of(it.tilt))
        }
    }

    /**
     * Width and height at which a part reaches a network; small parts grow, too. The short side is stretched by up to
     * [STRETCH], at most to a square.
     */
    fun sizeForNetwork(width: Int, height: Int, longSide: Int): Pair<Int, Int> {
        val full = max(width, height)

        fun side(length: Int) = max(1, Math.rint(min(1.0, STRETCH * length / full) * longSide).toInt())
        return side(width) to side(height)
    }

    private fun span(centre: Double, side: Double, end: Int): Span {
        val first = max(0, Math.rint(centre - side / 2).toInt())
        val last = max(min(end, Math.rint(centre + side / 2).toInt()), first + 1)
        return Span(first, last, end, max(1.0, FADE * side))
    }
}
