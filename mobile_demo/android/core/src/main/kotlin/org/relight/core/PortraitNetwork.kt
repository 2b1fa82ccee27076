package org.relight.core

/** What a network answers: the relit lightness, and the light it read from the picture. */
class Answer(val relit: Plane, val light: FloatArray)

/** Relights a plane no longer than `side` under nine numbers of light. */
interface Network {
    val side: Int

    fun run(plane: Plane, numbers: FloatArray): Answer
}

/**
 * The portrait network as pictures of any shape meet it. `once` runs it on a square of side x side. With `mirrored`
 * the answer is the mean with that to the mirror image under the mirrored light: left and right are alike to it.
 */
class PortraitNetwork(
    override val side: Int,
    private val mirrored: Boolean,
    private val once: (FloatArray, FloatArray) -> Pair<FloatArray, FloatArray>,
) : Network {
    override fun run(plane: Plane, numbers: FloatArray): Answer {
        val there = pass(plane, numbers)
        if (!mirrored) return there
        val back = pass(flipped(plane), signed(numbers))
        val other = flipped(back.relit)
        val light = signed(back.light)
        return Answer(
            plane.mapped { (there.relit.values[it] + other.values[it]) / 2 },
            FloatArray(light.size) { (there.light[it] + light[it]) / 2 },
        )
    }

    private fun pass(plane: Plane, numbers: FloatArray): Answer {
        val (relit, light) = once(Squares.of(plane, side).values, numbers)
        return Answer(Squares.cut(Plane(side, side, relit), plane.width, plane.height), light)
    }

    private fun flipped(plane: Plane): Plane =
        plane.mapped {
            val row = it / plane.width * plane.width
            plane.values[row + plane.width - 1 - (it - row)]
        }

    private fun signed(numbers: FloatArray) = FloatArray(numbers.size) { numbers[it] * SIGNS[it] }

    private companion object {
        /** What becomes of nine numbers of light when left and right change places. */
        val SIGNS = floatArrayOf(1f, 1f, 1f, -1f, -1f, 1f, 1f, -1f, 1f)
    }
}

/** Pictures in the middle of squares, continued by their mirror image; see tf_relight/relighting/squares.py. */
object Squares {
    fun of(plane: Plane, side: Int): Plane {
        if (plane.width == side && plane.height == side) return plane
        val columns = mirrored(plane.width, side)
        val rows = mirrored(plane.height, side)
        return Plane(side, side, FloatArray(side * side) { plane.values[rows[it / side] * plane.width + columns[it % side]] })
    }

    fun cut(square: Plane, width: Int, height: Int): Plane {
        if (width == square.width && height == square.height) return square
        val first = (square.height - height) / 2 * square.width + (square.width - width) / 2
        return Plane(width, height, FloatArray(width * height) { square.values[first + it / width * square.width + it % width] })
    }

    private fun mirrored(size: Int, side: Int): IntArray {
        val before = (side - size) / 2
        return IntArray(side) {
            val place = (it - before).mod(2 * size)
            if (place < size) place else 2 * size - 1 - place
        }
    }
}
