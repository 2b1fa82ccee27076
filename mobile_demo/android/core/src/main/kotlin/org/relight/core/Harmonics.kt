package org.relight.core

import kotlin.math.PI
import kotlin.math.cos
import kotlin.math.max
import kotlin.math.pow
import kotlin.math.sin
import kotlin.math.sqrt

/**
 * Nine numbers of light: second-order spherical harmonics in frame "dpr" (x right, y into the picture, z up), in the
 * order 1, y, z, x, xy, yz, 3z^2-1, xz, x^2-y^2; and the same light told in lightness, as networks take it.
 */
object Harmonics {
    const val COEFFICIENTS = 9

    /** Lightness is linear light to about this power. */
    const val EXPONENT = 0.42
    val BAND = intArrayOf(0, 1, 1, 1, 2, 2, 2, 2, 2)

    private const val SPHERE_POINTS = 1024
    private const val GRID = 41
    private val ATTENUATION = doubleArrayOf(PI, 2 * PI / 3, PI / 4)
    private val ONE = sqrt(1 / (4 * PI))
    private val LINEAR = sqrt(3 / (4 * PI))
    private val MIXED = sqrt(15 / (4 * PI))
    private val ZONAL = sqrt(5 / (16 * PI))
    private val DIFFERENCE = sqrt(15 / (16 * PI))

    /** A direction that the camera sees: its shading row, and how much of a face looks that way. */
    class Seen(val row: DoubleArray, val weight: Double)

    val visible: List<Seen> by lazy {
        val points =
            (0 until GRID).flatMap { i -> (0 until GRID).map { j -> doubleArrayOf(-1 + j * 0.05, -1 + i * 0.05) } }
                .filter { (x, z) -> x * x + z * z < 0.99 }
                .map { (x, z) -> doubleArrayOf(x, -sqrt(1 - x * x - z * z), z) }
        val total = points.sumOf { it[1] * it[1] }
        points.map { Seen(basis(it), it[1] * it[1] / total) }
    }

    private val sphere: List<DoubleArray> by lazy {
        List(SPHERE_POINTS) {
            val number = it + 0.5
            val z = 1 - 2 * number / SPHERE_POINTS
            val turn = PI * (1 + sqrt(5.0)) * number
            val ring = sqrt(1 - z * z)
            // The package keeps these in float32.
            val point = doubleArrayOf(ring * cos(turn), ring * sin(turn), z)
            basis(DoubleArray(3) { k -> point[k].toFloat().toDouble() })
        }
    }
    private val inverse: Array<DoubleArray> by lazy {
        inverted(Array(COEFFICIENTS) { i -> DoubleArray(COEFFICIENTS) { j -> sphere.sumOf { it[i] * it[j] } } })
    }

    /** The nine harmonics at a unit normal; `attenuated` with what a matt surface leaves of them. */
    fun basis(normal: DoubleArray, attenuated: Boolean = true): DoubleArray {
        val (x, y, z) = normal
        val values =
            doubleArrayOf(
                ONE, LINEAR * y, LINEAR * z, LINEAR * x, MIXED * x * y, MIXED * y * z, ZONAL * (3 * z * z - 1),
                MIXED * x * z, DIFFERENCE * (x * x - y * y),
            )
        if (attenuated) for (i in values.indices) values[i] *= ATTENUATION[BAND[i]]
        return values
    }

    /** Nine numbers of a light that is turned clockwise in the picture, by degrees. */
    fun turned(numbers: DoubleArray, degrees: Double): DoubleArray {
        val angle = degrees * PI / 180
        val root = sqrt(3.0)
        val (across, up) = turnedPair(numbers[3], numbers[2], angle)
        val (acrossInward, upInward) = turnedPair(numbers[4], numbers[5], angle)
        // Of what is left, z^2-x^2 and 2xz turn twice as fast, and 3y^2-1 stays.
        val stays = (numbers[6] + root * numbers[8]) / 2
        val (mixed, upright) = turnedPair(numbers[7], (root * numbers[6] - numbers[8]) / 2, 2 * angle)
        val zonal = (root * upright + stays) / 2
        val difference = (root * stays - upright) / 2
        return doubleArrayOf(numbers[0], numbers[1], up, across, acrossInward, upInward, zonal, mixed, difference)
    }

    private fun turnedPair(right: Double, up: Double, angle: Double): Pair<Double, Double> =
        right * cos(angle) + up * sin(angle) to up * cos(angle) - right * sin(angle)

    /** A light told in lightness, of one told in linear irradiance. */
    fun toLightness(linear: DoubleArray): DoubleArray {
        val seen = DoubleArray(COEFFICIENTS)
        for (row in sphere) {
            val bright = max(dot(row, linear), 0.0).pow(EXPONENT)
            for (i in seen.indices) seen[i] += row[i] * bright
        }
        return DoubleArray(COEFFICIENTS) { dot(inverse[it], seen) }
    }

    /** The largest shading of a surface that the camera sees. */
    fun brightest(light: DoubleArray): Double = max(visible.maxOf { dot(it.row, light) }, 1e-6)

    /** The mean shading of a face turned to the camera. */
    fun onAFace(light: DoubleArray): Double = visible.sumOf { it.weight * dot(it.row, light) }

    fun dot(a: DoubleArray, b: DoubleArray): Double {
        var sum = 0.0
        for (i in 0 until COEFFICIENTS) sum += a[i] * b[i]
        return sum
    }

    /** The inverse of a positive definite matrix. */
    private fun inverted(matrix: Array<DoubleArray>): Array<DoubleArray> {
        val size = matrix.size
        val work = Array(size) { i -> matrix[i] + DoubleArray(size) { if (it == i) 1.0 else 0.0 } }
        for (i in 0 until size) {
            val pivot = work[i][i]
            for (k in work[i].indices) work[i][k] /= pivot
            for (j in 0 until size) {
                if (j == i) continue
                val factor = work[j][i]
                for (k in work[j].indices) work[j][k] -= factor * work[i][k]
            }
        }
        return Array(size) { work[it].copyOfRange(size, 2 * size) }
    }
}
