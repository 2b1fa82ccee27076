package org.relight.core

import kotlin.math.abs
import kotlin.math.ceil
import kotlin.math.exp
import kotlin.math.floor
import kotlin.math.max
import kotlin.math.min
import kotlin.math.roundToInt

/** Numbers row by row, width x height. */
class Plane(val width: Int, val height: Int, val values: FloatArray = FloatArray(width * height)) {
    init {
        require(values.size == width * height) { "${values.size} numbers are not $width x $height" }
    }

    inline fun mapped(make: (Int) -> Float): Plane = Plane(width, height, FloatArray(values.size) { make(it) })
}

/** Planes at other sizes, and blurred. They follow OpenCV's rules. */
object Planes {
    /** What a target takes from which sources. */
    private class Share(val first: Int, val weights: FloatArray)

    /** A plane at another size: means of areas along a side that shrinks, linear along one that grows. */
    fun resize(plane: Plane, width: Int, height: Int): Plane {
        val across = alongRows(plane, area(plane.width, min(plane.width, width)))
        val small = alongColumns(across, area(plane.height, min(plane.height, height)))
        return grow(small, width, height)
    }

    /** A plane that grows, with linear interpolation between the middles of pixels. */
    fun grow(plane: Plane, width: Int, height: Int): Plane {
        if (plane.width == width && plane.height == height) return plane
        return alongColumns(alongRows(plane, linear(plane.width, width)), linear(plane.height, height))
    }

    /** A picture made small row by row, so that the large one need not be kept; `row` gives each in turn. */
    fun shrinkRows(from: Pair<Int, Int>, to: Pair<Int, Int>, row: (Int) -> FloatArray): Plane {
        val small = Plane(to.first, to.second)
        val columns = area(from.first, to.first)
        var last = -1
        var across = FloatArray(0)
        area(from.second, to.second).forEachIndexed { target, share ->
            share.weights.forEachIndexed { i, weight ->
                // Neighbouring targets may share a row.
                if (share.first + i != last) {
                    last = share.first + i
                    across = alongRows(Plane(from.first, 1, row(last)), columns).values
                }
                for (x in across.indices) small.values[target * to.first + x] += weight * across[x]
            }
        }
        return small
    }

    private fun area(size: Int, target: Int): List<Share> {
        val scale = size.toDouble() / target
        return List(target) {
            val from = it * scale
            val to = min((it + 1) * scale, size.toDouble())
            val first = min(floor(from + 1e-9).toInt(), size - 1)
            val last = max(first + 1, min(size, ceil(to - 1e-9).toInt()))
            Share(
                first,
                FloatArray(last - first) { i ->
                    ((min(to, first + i + 1.0) - max(from, (first + i).toDouble())) / (to - from)).toFloat()
                },
            )
        }
    }

    private fun linear(size: Int, target: Int): List<Share> =
        List(target) {
            val place = ((it + 0.5) * size / target - 0.5).coerceIn(0.0, size - 1.0)
            val first = min(place.toInt(), max(size - 2, 0))
            val share = (place - first).toFloat()
            Share(first, if (size == 1) floatArrayOf(1f) else floatArrayOf(1 - share, share))
        }

    private fun alongRows(plane: Plane, targets: List<Share>): Plane {
        val result = Plane(targets.size, plane.height)
        for (y in 0 until plane.height) {
            for (x in targets.indices) {
                val share = targets[x]
                var sum = 0f
                for (i in share.weights.indices) sum += share.weights[i] * plane.values[y * plane.width + share.first + i]
                result.values[y * targets.size + x] = sum
            }
        }
        return result
    }

    private fun alongColumns(plane: Plane, targets: List<Share>): Plane {
        val result = Plane(plane.width, targets.size)
        targets.forEachIndexed { y, share ->
            share.weights.forEachIndexed { i, weight ->
                val from = (share.first + i) * plane.width
                for (x in 0 until plane.width) result.values[y * plane.width + x] += weight * plane.values[from + x]
            }
        }
        return result
    }

    /** A plane under a Gaussian of that deviation in pixels, its border repeated. */
    fun gaussian(plane: Plane, deviation: Double): Plane {
        if (deviation == 0.0) return plane
        val reach = ((deviation * 8 + 1).roundToInt() or 1) shr 1
        val plain = DoubleArray(2 * reach + 1) { exp(-(it - reach) * (it - reach) / (2 * deviation * deviation)) }
        val total = plain.sum()
        return convolved(plane, FloatArray(plain.size) { (plain[it] / total).toFloat() }, reach)
    }

    private fun convolved(plane: Plane, kernel: FloatArray, reach: Int): Plane {
        val width = plane.width
        val padded = FloatArray(width + 2 * reach)
        val across = Plane(width, plane.height)
        for (y in 0 until plane.height) {
            val row = y * width
            padded.fill(plane.values[row], 0, reach)
            plane.values.copyInto(padded, reach, row, row + width)
            padded.fill(plane.values[row + width - 1], reach + width, padded.size)
            for (x in 0 until width) {
                var sum = 0f
                for (i in kernel.indices) sum += kernel[i] * padded[x + i]
                across.values[row + x] = sum
            }
        }
        val result = Plane(width, plane.height)
        for (y in 0 until plane.height) {
            for (i in kernel.indices) {
                val from = (y + i - reach).coerceIn(0, plane.height - 1) * width
                val weight = kernel[i]
                for (x in 0 until width) result.values[y * width + x] += weight * across.values[from + x]
            }
        }
        return result
    }

    /** The mean over windows of 2 reach + 1 pixels; `mirrored` borders leave the outermost pixel single. */
    fun box(plane: Plane, reach: Int, mirrored: Boolean = false): Plane {
        val (width, height) = plane.width to plane.height
        val side = 2 * reach + 1
        val across = Plane(width, height)
        for (y in 0 until height) {
            val row = y * width
            var sum = 0.0
            for (i in -reach..reach) sum += plane.values[row + inside(i, width, mirrored)]
            for (x in 0 until width) {
                across.values[row + x] = (sum / side).toFloat()
                sum += plane.values[row + inside(x + reach + 1, width, mirrored)]
                sum -= plane.values[row + inside(x - reach, width, mirrored)]
            }
        }
        val result = Plane(width, height)
        val sums = DoubleArray(width)
        val add = { y: Int, sign: Int ->
            val row = inside(y, height, mirrored) * width
            for (x in 0 until width) sums[x] += sign * across.values[row + x]
        }
        for (i in -reach..reach) add(i, 1)
        for (y in 0 until height) {
            for (x in 0 until width) result.values[y * width + x] = (sums[x] / side).toFloat()
            add(y + reach + 1, 1)
            add(y - reach, -1)
        }
        return result
    }

    private fun inside(place: Int, size: Int, mirrored: Boolean): Int {
        if (!mirrored || size == 1) return place.coerceIn(0, size - 1)
        return size - 1 - abs(place.mod(2 * (size - 1)) - (size - 1))
    }
}
