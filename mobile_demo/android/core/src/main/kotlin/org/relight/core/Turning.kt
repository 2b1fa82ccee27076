package org.relight.core

import kotlin.math.PI
import kotlin.math.abs
import kotlin.math.cos
import kotlin.math.floor
import kotlin.math.max
import kotlin.math.min
import kotlin.math.sin

/** Heads that are tilted reach networks upright; see tf_relight/relighting/turning.py. Degrees are clockwise. */
object Turning {
    private const val UPRIGHT = 8.0
    private const val TURNED = 16.0

    /** By how many degrees a head that is tilted so far is turned. */
    fun of(tilt: Double): Double {
        val least = (tilt + 180).mod(360.0) - 180
        return least * ((abs(least) - UPRIGHT) / (TURNED - UPRIGHT)).coerceIn(0.0, 1.0)
    }

    /** A square plane turned about its middle; corners from outside repeat the border. */
    fun turned(square: Plane, degrees: Double): Plane {
        if (degrees == 0.0) return square
        val right = cos(degrees * PI / 180)
        val down = sin(degrees * PI / 180)
        val last = square.width - 1.0
        val middle = last / 2
        return square.mapped {
            val x = it % square.width - middle
            val y = it / square.width - middle
            between(
                square,
                (x * right + y * down + middle).coerceIn(0.0, last),
                (y * right - x * down + middle).coerceIn(0.0, last),
            )
        }
    }

    /** The value between four pixels. */
    private fun between(square: Plane, column: Double, row: Double): Float {
        val side = square.width
        val left = floor(column).toInt().coerceIn(0, max(side - 2, 0))
        val top = floor(row).toInt().coerceIn(0, max(side - 2, 0))
        val right = min(left + 1, side - 1)
        val bottom = min(top + 1, side - 1)
        val across = column - left
        val down = row - top
        val at = { y: Int, x: Int -> square.values[y * side + x].toDouble() }
        val upper = at(top, left) * (1 - across) + at(top, right) * across
        val lower = at(bottom, left) * (1 - across) + at(bottom, right) * across
        return (upper * (1 - down) + lower * down).toFloat()
    }
}
