package org.relight.core

import kotlin.math.exp
import kotlin.math.ln
import kotlin.math.max
import kotlin.math.min
import kotlin.math.sqrt

/** The colour of a light made ready for pixels; `fullRatio` is the change of light on its lit side. */
class Tint(val sides: Sides, val fullRatio: Double) {
    val dark = Colour.luminance(sides.shadow)
    val bright = Colour.luminance(sides.lit)

    companion object {
        /** `before` and `after` are lightness from all over the picture. */
        fun of(sides: Sides, before: FloatArray, after: FloatArray): Tint {
            val ratios =
                DoubleArray(before.size) {
                    (Colour.toLuminance(after[it].toDouble()) + Lightness.BLACK) /
                        (Colour.toLuminance(before[it].toDouble()) + Lightness.BLACK)
                }
            ratios.sort()
            val place = 0.95 * (ratios.size - 1)
            val below = place.toInt()
            val above = min(below + 1, ratios.size - 1)
            return Tint(sides, ratios[below] + (ratios[above] - ratios[below]) * (place - below))
        }
    }
}

/** Changing how light pixels are without changing what colour they are; see tf_relight/photo/lightness.py. */
object Lightness {
    internal const val BLACK = 2e-3
    private const val KNEE = 0.7
    private const val CEILING = 0.974

    /** Tables for what is asked of every pixel, read with linear interpolation; off by at most 2e-6. */
    private const val STEPS = 8192
    private val ofLuminance = FloatArray(STEPS + 2) { Colour.fromLuminance(it.toDouble() / STEPS).toFloat() }

    /** Over factor / (1 + factor), which is below 1. */
    private val kept =
        FloatArray(STEPS + 2) {
            val power = ln(max(it / max(STEPS - it.toDouble(), 1e-3), 0.1))
            exp(-power / 12 - max(power, 0.0) / 12).toFloat()
        }

    private fun looked(table: FloatArray, value: Double): Double {
        val place = value * STEPS
        val below = place.toInt()
        return table[below] + (place - below) * (table[below + 1] - table[below])
    }

    /** Fill `result` with the lightness 0..1 of pixels. */
    fun row(pixels: IntArray, from: Int, count: Int, result: FloatArray) {
        for (i in 0 until count) result[i] = looked(ofLuminance, luminance(pixels[from + i])).toFloat()
    }

    private fun luminance(pixel: Int): Double =
        Colour.RED * Colour.linearOfByte[Argb.red(pixel)] + Colour.GREEN * Colour.linearOfByte[Argb.green(pixel)] +
            Colour.BLUE * Colour.linearOfByte[Argb.blue(pixel)]

    /** Change pixels to another lightness, in place; where `reach` is 0 they stay exactly as they are. */
    fun relight(pixels: IntArray, count: Int, after: FloatArray, reach: FloatArray, tint: Tint?) {
        for (i in 0 until count) {
            if (reach[i] != 0f) pixels[i] = relit(pixels[i], after[i].toDouble(), reach[i].toDouble(), tint)
        }
    }

    private fun relit(pixel: Int, after: Double, reach: Double, tint: Tint?): Int {
        val red = Colour.linearOfByte[Argb.red(pixel)].toDouble()
        val green = Colour.linearOfByte[Argb.green(pixel)].toDouble()
        val blue = Colour.linearOfByte[Argb.blue(pixel)].toDouble()
        val bright = Colour.RED * red + Colour.GREEN * green + Colour.BLUE * blue
        val ratio = (Colour.toLuminance(after) + BLACK) / (bright + BLACK)
        var f0 = ratio
        var f1 = ratio
        var f2 = ratio
        if (tint != null) {
            val received = tint.bright * ratio / tint.fullRatio
            val share = ((received - tint.dark) / max(tint.bright - tint.dark, 1e-3)).coerceIn(0.0, 1.0)
            val (shadow, lit) = tint.sides.shadow to tint.sides.lit
            val c0 = shadow[0] + share * (lit[0] - shadow[0])
            val c1 = shadow[1] + share * (lit[1] - shadow[1])
            val c2 = shadow[2] + share * (lit[2] - shadow[2])
            val grey = Colour.RED * c0 + Colour.GREEN * c1 + Colour.BLUE * c2
            f0 = ratio * (1 + reach * (c0 / grey - 1))
            f1 = ratio * (1 + reach * (c1 / grey - 1))
            f2 = ratio * (1 + reach * (c2 / grey - 1))
        }
        var r = scaled(red, bright, f0)
        var g = scaled(green, bright, f1)
        var b = scaled(blue, bright, f2)
        val loudest = max(max(r, g), b)
        if (loudest > KNEE) {
            val alike = shoulder(loudest, max(max(red, green), blue)) / loudest
            r = 0.5 * (shoulder(r, red) + r * alike)
            g = 0.5 * (shoulder(g, green) + g * alike)
            b = 0.5 * (shoulder(b, blue) + b * alike)
        }
        return Argb.of(Argb.alpha(pixel), Colour.byteOfLinear(r), Colour.byteOfLinear(g), Colour.byteOfLinear(b))
    }

    /** Light of one channel times a factor, with the share of its saturation that it keeps. */
    private fun scaled(light: Double, bright: Double, factor: Double): Double {
        val share = looked(kept, if (factor > 0.1) factor / (1 + factor) else 0.1 / 1.1)
        return max(light * share + (1 - share) * bright, 0.0) * factor
    }

    /** Light bent below white above the knee, or above what it was before if that is brighter. */
    private fun shoulder(light: Double, before: Double): Double {
        val knee = max(before, KNEE)
        val room = max(before, CEILING) - knee
        val over = max(light - knee, 0.0)
        return room * over / sqrt(room * room + over * over + 1e-12) + min(light, knee)
    }
}
