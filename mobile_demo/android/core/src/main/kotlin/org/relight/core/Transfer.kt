package org.relight.core

import kotlin.math.exp
import kotlin.math.max
import kotlin.math.min

/** Gain and offset per level, each a plane of the small picture's size; `softness` of the network's drawing. */
class Change(val gains: List<Plane>, val offsets: List<Plane>, val softness: Double) {
    val width get() = gains[0].width
    val height get() = gains[0].height
}

/** How pixels of a larger picture lie on a grid: pixel i at (i + 0.5) * step + start. */
class Laid(val step: Double, val start: Double = 0.0)

/**
 * Bringing a change of lightness from a small picture to the full-size photo: one gain and offset per place and
 * brightness (a bilateral grid). See tf_relight/photo/transfer.py; both are held together by shared numbers.
 */
object Transfer {
    const val FOOT = 0.16f
    internal const val LEVELS = 8
    private const val LEVEL_WIDTH = 0.1f
    private const val SLOPE_REACH = 0.7
    private const val GAIN_REACH = 2.0
    private const val OFFSET_REACH = 1.0
    private const val SLOPE_RIDGE = 1e-3f
    private const val EDGE_VARIANCE = 3e-3f
    private const val LARGEST_CONTRAST = 1.15f
    private const val LARGEST_GAIN = 3f
    private val SOFTNESS = doubleArrayOf(0.0, 0.5, 0.7, 1.0, 1.4, 2.0)
    private const val SOFTNESS_MARGIN = 1.3
    private const val TILE = 128
    private const val TILES = 4

    /** How much each pixel counts at a level, at half and at full size. */
    private class Level(val half: Plane, val halfTotals: Plane, val full: Plane, val fullTotals: Plane)

    /** What the models take of the picture before, whatever comes after. */
    private class Ground(val before: Plane, val levels: List<Level>) {
        val mean = blur(before).values
        val votes = FloatArray(mean.size)
        private val halves: List<Plane>

        init {
            val squares = blur(before.mapped { before.values[it] * before.values[it] }).values
            val variance = Plane(before.width, before.height)
            for (i in mean.indices) {
                val spread = max(squares[i] - mean[i] * mean[i], 0f)
                votes[i] = 1 / (spread + EDGE_VARIANCE)
                variance.values[i] = votes[i] * (spread + SLOPE_RIDGE)
            }
            halves = listOf(half(before), half(variance))
        }

        /** Means at each level: of the picture before, and of its variance. */
        val means = levels.map { level -> halves.map { mean(it, level.half, level.halfTotals, GAIN_REACH / 2).values } }
    }

    /** The change between two small pictures; the softness is measured unless it is given. */
    fun fit(before: Plane, after: Plane, softness: Double? = null): Change =
        Fitter(before, softness ?: measureSoftness(before, after)).fit(after)

    /** What a change takes of the picture before; kept, because it is the same for every light. */
    class Fitter(before: Plane, private val softness: Double) {
        private val softened = Planes.gaussian(before, softness)
        private val guide = before.mapped { before.values[it].coerceIn(0f, 1f) }
        private val ground = Ground(softened, levelsOf(guide))

        /** The change that leads to `after`. */
        fun fit(after: Plane): Change {
            val change = models(ground, after, softness)
            // Levels are mixed with weights that add up to 1, so adding to each adds to the result.
            val shown = applied(change, softened, guide)
            for (offset in change.offsets) {
                for (i in offset.values.indices) offset.values[i] += after.values[i] - shown.values[i]
            }
            return change
        }
    }

    /** The change applied to planes of its own size. */
    private fun applied(change: Change, plane: Plane, guide: Plane): Plane {
        val slicer = Slicer(change, plane.width, Laid(1.0), Laid(1.0))
        val result = Plane(plane.width, plane.height)
        val line = FloatArray(plane.width)
        for (y in 0 until plane.height) {
            val from = y * plane.width
            val to = from + plane.width
            slicer.row(y, plane.values.copyOfRange(from, to), guide.values.copyOfRange(from, to), line)
            line.copyInto(result.values, from)
        }
        return result
    }

    /** How soft `after` is against `before`: the deviation of a blur in pixels, on the most detailed tiles. */
    fun measureSoftness(before: Plane, after: Plane): Double {
        val errors = DoubleArray(SOFTNESS.size)
        for ((left, top) in detailedTiles(before)) {
            val tileBefore = cut(before, left, top)
            val tileAfter = cut(after, left, top)
            val guide = tileBefore.mapped { tileBefore.values[it].coerceIn(0f, 1f) }
            val levels = levelsOf(guide)
            SOFTNESS.forEachIndexed { i, reach ->
                val soft = Planes.gaussian(tileBefore, reach)
                val shown = applied(models(Ground(soft, levels), tileAfter, reach), soft, guide)
                var sum = 0.0
                for (j in shown.values.indices) {
                    val off = (tileAfter.values[j] - shown.values[j]).toDouble()
                    sum += off * off
                }
                errors[i] += sum / shown.values.size
            }
        }
        val least = errors.min()
        return SOFTNESS[errors.indexOfFirst { it <= least * SOFTNESS_MARGIN + 1e-7 }]
    }

    private fun detailedTiles(plane: Plane): List<Pair<Int, Int>> {
        val soft = Planes.gaussian(plane, 1.0)
        val detail = plane.mapped { kotlin.math.abs(plane.values[it] - soft.values[it]) }
        val tiles =
            (0 until plane.height step TILE).flatMap { top -> (0 until plane.width step TILE).map { it to top } }
        return tiles.sortedByDescending { (left, top) -> cut(detail, left, top).values.sum() }.take(TILES)
    }

    private fun cut(plane: Plane, left: Int, top: Int): Plane {
        val result = Plane(min(TILE, plane.width - left), min(TILE, plane.height - top))
        for (y in 0 until result.height) {
            val from = (top + y) * plane.width + left
            plane.values.copyInto(result.values, y * result.width, from, from + result.width)
        }
        return result
    }

    /** Gains and offsets per level that turn the picture before into `after`. */
    private fun models(ground: Ground, after: Plane, softness: Double): Change {
        val before = ground.before
        val statistics = listOf(after, covariance(ground, after)).map(::half)
        val gains = ArrayList<Plane>(LEVELS)
        val offsets = ArrayList<Plane>(LEVELS)
        ground.levels.forEachIndexed { number, level ->
            val (b, v) = ground.means[number]
            val (a, c) = statistics.map { mean(it, level.half, level.halfTotals, GAIN_REACH / 2).values }
            val small =
                level.half.mapped {
                    val most = min(LARGEST_CONTRAST * lightRatio(b[it], a[it]), LARGEST_GAIN)
                    (c[it] / v[it]).coerceIn(0f, most)
                }
            val gain = Planes.grow(small, before.width, before.height)
            val rest = before.mapped { after.values[it] - gain.values[it] * before.values[it] }
            gains += gain
            offsets += mean(rest, level.full, level.fullTotals, OFFSET_REACH)
        }
        return Change(gains, offsets, softness)
    }

    private fun blur(plane: Plane): Plane = Planes.gaussian(plane, SLOPE_REACH)

    private fun half(plane: Plane): Plane = Planes.resize(plane, (plane.width + 1) / 2, (plane.height + 1) / 2)

    private fun mean(plane: Plane, weight: Plane, totals: Plane, reach: Double): Plane {
        val sum = Planes.gaussian(plane.mapped { plane.values[it] * weight.values[it] }, reach)
        return sum.mapped { sum.values[it] / totals.values[it] }
    }

    private fun levelsOf(guide: Plane): List<Level> {
        val halfGuide = half(guide)
        return List(LEVELS) {
            val level = it.toFloat() / (LEVELS - 1)
            val small = weight(halfGuide, level)
            val full = weight(guide, level)
            Level(small, Planes.gaussian(small, GAIN_REACH / 2), full, Planes.gaussian(full, OFFSET_REACH))
        }
    }

    private fun weight(guide: Plane, level: Float): Plane =
        guide.mapped {
            val off = guide.values[it] - level
            exp(off * off * -0.5f / (LEVEL_WIDTH * LEVEL_WIDTH)) + 1e-4f
        }

    private fun covariance(ground: Ground, after: Plane): Plane {
        val before = ground.before
        val meanAfter = blur(after).values
        val products = blur(before.mapped { before.values[it] * after.values[it] }).values
        return before.mapped {
            val mean = ground.mean[it]
            val common = products[it] - mean * meanAfter[it]
            ground.votes[it] * (common + SLOPE_RIDGE * lightRatio(mean, meanAfter[it]))
        }
    }

    private fun lightRatio(before: Float, after: Float): Float = ((after + FOOT) / (before + FOOT)).coerceIn(0.1f, LARGEST_GAIN)
}

/** A change laid over `columns` pixels of each row of a larger picture. */
class Slicer(private val change: Change, private val columns: Int, across: Laid, private val down: Laid) {
    private val width = change.width
    private val height = change.height
    private val lefts = IntArray(columns)
    private val shares = FloatArray(columns)

    // One more, so that the last column has a neighbour whose share is 0.
    private val gain = FloatArray(Transfer.LEVELS * width + width + 1)
    private val offset = FloatArray(gain.size)

    init {
        for (x in 0 until columns) {
            val place = ((x + 0.5) * across.step + across.start - 0.5).coerceIn(0.0, width - 1.0)
            lefts[x] = min(place.toInt(), max(width - 2, 0))
            shares[x] = if (width == 1) 0f else (place - lefts[x]).toFloat()
        }
    }

    /** Fill `result` with gain * value + offset for row `y`; `guide` is its brightness 0..1. */
    fun row(y: Int, values: FloatArray, guide: FloatArray, result: FloatArray) {
        val place = ((y + 0.5) * down.step + down.start - 0.5).coerceIn(0.0, height - 1.0)
        mix(change.gains, gain, place)
        mix(change.offsets, offset, place)
        val top = Transfer.LEVELS - 1
        for (x in 0 until columns) {
            val level = guide[x] * top
            val low = if (level >= top) top - 1 else level.toInt()
            val up = level - low
            val left = low * width + lefts[x]
            val share = shares[x]
            val g0 = gain[left] + share * (gain[left + 1] - gain[left])
            val g1 = gain[left + width] + share * (gain[left + width + 1] - gain[left + width])
            val o0 = offset[left] + share * (offset[left + 1] - offset[left])
            val o1 = offset[left + width] + share * (offset[left + width + 1] - offset[left + width])
            result[x] = (g0 + up * (g1 - g0)) * values[x] + o0 + up * (o1 - o0)
        }
    }

    private fun mix(grid: List<Plane>, line: FloatArray, place: Double) {
        val top = place.toInt()
        val above = top * width
        val below = min(top + 1, height - 1) * width
        val share = (place - top).toFloat()
        grid.forEachIndexed { level, plane ->
            val values = plane.values
            for (x in 0 until width) {
                line[level * width + x] = values[above + x] + share * (values[below + x] - values[above + x])
            }
        }
    }
}
