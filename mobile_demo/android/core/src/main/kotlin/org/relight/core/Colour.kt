package org.relight.core

import kotlin.math.cbrt
import kotlin.math.pow
import kotlin.math.roundToInt

/** Colour: sRGB, linear light and CIE Lab, and the colour of a lamp from its temperature. */
object Colour {
    const val RED = 0.2126390059
    const val GREEN = 0.7151686788
    const val BLUE = 0.0721923154

    private const val STEPS = 65535
    private const val BYTES = 256
    private val TO_XYZ =
        arrayOf(
            doubleArrayOf(0.4123907993, 0.3575843394, 0.1804807884),
            doubleArrayOf(RED, GREEN, BLUE),
            doubleArrayOf(0.0193308187, 0.1191947798, 0.9505321522),
        )
    private val TO_RGB = inverse(TO_XYZ)
    private val WHITE = DoubleArray(3) { TO_XYZ[it].sum() }
    private const val DELTA = 6.0 / 29

    /** Linear light of each 8-bit sRGB value. */
    val linearOfByte = FloatArray(BYTES) { srgbToLinear(it / 255.0).toFloat() }
    private val byteOfStep = ByteArray(STEPS + 1) { (linearToSrgb(it.toDouble() / STEPS) * 255).roundToInt().toByte() }

    fun srgbToLinear(value: Double): Double =
        if (value <= 0.04045) value / 12.92 else ((value + 0.055) / 1.055).pow(2.4)

    fun linearToSrgb(value: Double): Double =
        if (value <= 0.0031308) value * 12.92 else 1.055 * value.pow(1 / 2.4) - 0.055

    fun luminance(rgb: DoubleArray): Double = RED * rgb[0] + GREEN * rgb[1] + BLUE * rgb[2]

    /** L 0..100, a and b of an sRGB colour 0..1. */
    fun rgbToLab(rgb: DoubleArray): DoubleArray {
        val xyz = times(TO_XYZ, DoubleArray(3) { srgbToLinear(rgb[it]) })
        val (x, y, z) =
            DoubleArray(3) {
                val ratio = xyz[it] / WHITE[it]
                if (ratio > DELTA.pow(3)) cbrt(ratio) else ratio / (3 * DELTA * DELTA) + 4.0 / 29
            }
        return doubleArrayOf(116 * y - 16, 500 * (x - y), 200 * (y - z))
    }

    /** The way back; colours outside sRGB leave 0..1. */
    fun labToRgb(lab: DoubleArray): DoubleArray {
        val y = (lab[0] + 16) / 116
        val f = doubleArrayOf(y + lab[1] / 500, y, y - lab[2] / 200)
        val xyz =
            DoubleArray(3) {
                WHITE[it] * if (f[it] > DELTA) f[it].pow(3) else 3 * DELTA * DELTA * (f[it] - 4.0 / 29)
            }
        return times(TO_RGB, xyz).map(::linearToSrgb).toDoubleArray()
    }

    /**
     * Linear sRGB of a black body of 1000 to 15000 kelvin, luminance 1.
     *
     * Source: Krystek, "An algorithm to calculate correlated colour temperature", 1985.
     */
    fun planckianRgb(kelvin: Double): DoubleArray {
        val t = kelvin
        val u =
            (0.860117757 + 1.54118254e-4 * t + 1.28641212e-7 * t * t) /
                (1 + 8.42420235e-4 * t + 7.08145163e-7 * t * t)
        val v =
            (0.317398726 + 4.22806245e-5 * t + 4.20481691e-8 * t * t) /
                (1 - 2.89741816e-5 * t + 1.61456053e-7 * t * t)
        val scale = 2 * u - 8 * v + 4
        val x = 3 * u / scale
        val y = 2 * v / scale
        return times(TO_RGB, doubleArrayOf(x / y, 1.0, (1 - x - y) / y))
    }

    /** L of Lab / 100 of relative luminance 0..1. */
    fun fromLuminance(value: Double): Double =
        if (value > 216.0 / 24389) 1.16 * cbrt(value) - 0.16 else value * (24389.0 / 2700)

    /** Relative luminance of L / 100. */
    fun toLuminance(value: Double): Double {
        if (value <= 0.08) return value * (2700.0 / 24389)
        val root = (value + 0.16) / 1.16
        return root * root * root
    }

    /** The 8-bit sRGB value of linear light; what is outside 0..1 is cut off. */
    fun byteOfLinear(value: Double): Int =
        when {
            !(value > 0) -> 0
            value >= 1 -> 255
            else -> byteOfStep[(value * STEPS + 0.5).toInt()].toInt() and 0xFF
        }

    private fun times(matrix: Array<DoubleArray>, vector: DoubleArray): DoubleArray =
        DoubleArray(3) { matrix[it][0] * vector[0] + matrix[it][1] * vector[1] + matrix[it][2] * vector[2] }

    private fun inverse(m: Array<DoubleArray>): Array<DoubleArray> {
        val (a, b, c) = m[0]
        val (d, e, f) = m[1]
        val (g, h, i) = m[2]
        val determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
        return arrayOf(
            doubleArrayOf(e * i - f * h, c * h - b * i, b * f - c * e),
            doubleArrayOf(f * g - d * i, a * i - c * g, c * d - a * f),
            doubleArrayOf(d * h - e * g, b * g - a * h, a * e - b * d),
        ).also { rows -> for (row in rows) for (k in row.indices) row[k] /= determinant }
    }
}
