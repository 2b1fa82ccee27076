package org.relight.core

import kotlin.math.atan2
import kotlin.math.ceil
import kotlin.math.exp
import kotlin.math.max
import kotlin.math.min
import kotlin.math.roundToInt

/** The two networks that find faces: the side of their squares, and (stride, places each) of their grids. */
enum class Finder(val side: Int, internal val grids: List<Pair<Int, Int>>) {
    NEAR(128, listOf(8 to 2, 16 to 6)),
    FAR(192, listOf(4 to 1)),
}

/** A square of a picture, which may reach over its border. */
class Window(val finder: Finder, val left: Int, val top: Int, val side: Int)

/** Finding faces with BlazeFace; see tf_relight/photo/blazeface.py for the same windows. */
object Faces {
    private const val LEAST_SCORE = 0.6
    private const val SAME_FACE = 0.3
    private const val INSIDE = 0.7
    private const val STEP = 0.6
    private const val NUMBERS = 16

    /** Where among the numbers the eyes come. */
    private const val EYES = 4

    /** The detector's box begins at the brows; the forehead adds so much of its height. */
    private const val FOREHEAD = 0.3

    private class Find(
        val left: Double,
        val top: Double,
        val right: Double,
        val bottom: Double,
        val score: Double,
        val tilt: Double,
    )

    /** Faces of a picture, the largest first. `look` gives what a network answers: 16 numbers a place, and scores. */
    fun find(width: Int, height: Int, look: (Window) -> Pair<FloatArray, FloatArray>): List<Face> {
        var finds = (whole(width, height) + tiles(width, height, 0.5)).flatMap { seen(it, look) }
        if (finds.isEmpty()) finds = tiles(width, height, 0.25).flatMap { seen(it, look) }
        return eachOnce(finds).map(::face).sortedByDescending { it.height }
    }

    private fun whole(width: Int, height: Int): List<Window> {
        val side = max(width, height)
        val left = Math.floorDiv(width - side, 2)
        val top = Math.floorDiv(height - side, 2)
        val rim = side / 4
        return listOf(
            Window(Finder.NEAR, left, top, side),
            Window(Finder.FAR, left, top, side),
            Window(Finder.NEAR, left - rim, top - rim, side + 2 * rim),
        )
    }

    private fun tiles(width: Int, height: Int, share: Double): List<Window> {
        val side = max(1, (share * max(width, height)).roundToInt())
        return starts(height, side).flatMap { top -> starts(width, side).map { Window(Finder.FAR, it, top, side) } }
    }

    private fun starts(length: Int, side: Int): List<Int> {
        if (length <= side) return listOf(Math.floorDiv(length - side, 2))
        val count = 1 + ceil((length - side) / (STEP * side)).toInt()
        return List(count) { ((length - side).toDouble() * it / (count - 1)).roundToInt() }
    }

    private fun seen(window: Window, look: (Window) -> Pair<FloatArray, FloatArray>): List<Find> {
        val (boxes, scores) = look(window)
        val scale = window.side.toDouble() / window.finder.side
        return findsIn(window.finder, boxes, scores).map {
            Find(
                window.left + it.left * scale, window.top + it.top * scale,
                window.left + it.right * scale, window.top + it.bottom * scale, it.score, it.tilt,
            )
        }
    }

    private fun findsIn(finder: Finder, boxes: FloatArray, logits: FloatArray): List<Find> {
        val found = ArrayList<Find>()
        placesOf(finder).forEachIndexed { i, (x, y) ->
            val score = 1 / (1 + exp(-logits[i].toDouble()))
            val width = boxes[NUMBERS * i + 2].toDouble()
            val height = boxes[NUMBERS * i + 3].toDouble()
            if (score >= LEAST_SCORE && width > 0 && height > 0) {
                val column = boxes[NUMBERS * i] + x
                val row = boxes[NUMBERS * i + 1] + y
                val tilt = tiltOf(boxes, NUMBERS * i + EYES)
                found += Find(column - width / 2, row - height / 2, column + width / 2, row + height / 2, score, tilt)
            }
        }
        return eachOnce(found)
    }

    /** Of the eyes, the left one of the picture first. */
    private fun tiltOf(boxes: FloatArray, at: Int): Double =
        Math.toDegrees(atan2((boxes[at + 3] - boxes[at + 1]).toDouble(), (boxes[at + 2] - boxes[at]).toDouble()))

    private fun placesOf(finder: Finder): List<Pair<Double, Double>> =
        finder.grids.flatMap { (stride, times) ->
            val line = (0 until finder.side / stride).map { (it + 0.5) * stride }
            line.flatMap { y -> line.flatMap { x -> List(times) { x to y } } }
        }

    private fun eachOnce(finds: List<Find>): List<Find> {
        val kept = ArrayList<Find>()
        for (find in finds.sortedByDescending { it.score }) if (kept.none { isSame(find, it) }) kept += find
        return kept
    }

    private fun isSame(a: Find, b: Find): Boolean {
        val across = min(a.right, b.right) - max(a.left, b.left)
        val down = min(a.bottom, b.bottom) - max(a.top, b.top)
        if (across <= 0 || down <= 0) return false
        val area = { find: Find -> (find.right - find.left) * (find.bottom - find.top) }
        val common = across * down
        return common > SAME_FACE * (area(a) + area(b) - common) || common > INSIDE * min(area(a), area(b))
    }

    /** The box from the hairline to the chin. */
    private fun face(find: Find): Face {
        val height = find.bottom - find.top
        val forehead = FOREHEAD * height
        return Face(find.left, find.top - forehead, find.right - find.left, height + forehead, find.score, find.tilt)
    }
}
