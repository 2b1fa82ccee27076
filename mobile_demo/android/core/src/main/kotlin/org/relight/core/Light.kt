package org.relight.core

import kotlin.math.PI
import kotlin.math.abs
import kotlin.math.asin
import kotlin.math.atan2
import kotlin.math.cos
import kotlin.math.exp
import kotlin.math.hypot
import kotlin.math.max
import kotlin.math.min
import kotlin.math.pow
import kotlin.math.sin
import kotlin.math.sqrt

/** One lamp; angles in degrees, softness 0..1 from the sun to half of the sky, null kelvin is neutral. */
class Lamp(
    val azimuth: Double,
    val elevation: Double,
    val weight: Double = 1.0,
    val kelvin: Double? = null,
    val softness: Double = Light.USUAL_SOFTNESS,
)

/** Lamps over even light. */
class Preset(val name: String, val lamps: List<Lamp>, val ambient: Double = 0.25, val kelvin: Double? = null)

/** Azimuth 0 is the camera, 90 the picture's right; elevation goes up; degrees. */
data class Angles(val azimuth: Double, val elevation: Double)

/** A light as a network takes it: its numbers, the photo's own taken alike, and the gain between both. */
class Exposed(val numbers: FloatArray, val own: FloatArray, val gain: Double)

/** Linear RGB of what reaches the shadow side and the lit side. */
class Sides(val shadow: DoubleArray, val lit: DoubleArray)

/** A light: nine linear numbers for each of red, green and blue. */
class Light(val channels: List<DoubleArray>) {
    val grey: DoubleArray = DoubleArray(COUNT) { i -> (0..2).sumOf { channels[it][i] * GREY[it] } }

    val angles: Angles
        get() {
            val (_, y, z, x) = grey.toList()
            if (sqrt(x * x + y * y + z * z) < 1e-9 * abs(grey[0])) return Angles(0.0, 0.0)
            return Angles(degrees(atan2(x, -y)), degrees(atan2(z, hypot(x, y))))
        }

    /** The same light turned clockwise in the picture, by degrees. */
    fun turned(degrees: Double): Light = if (degrees == 0.0) this else Light(channels.map { Harmonics.turned(it, degrees) })

    /** What a network takes of this light; `read` is what it read from the photo, told in lightness. */
    fun exposed(read: DoubleArray): Exposed {
        val values = Harmonics.toLightness(grey)
        val usual = if (read[0] < LEAST_READ) DoubleArray(COUNT).also { it[0] = USUAL_LEVEL } else inRange(read)
        val exposure =
            min(
                Harmonics.onAFace(usual) / max(Harmonics.onAFace(values), 1e-6),
                min(
                    MOST_MORE * usual[0] / values[0],
                    BRIGHTER_SIDE * Harmonics.brightest(usual) / Harmonics.brightest(values),
                ),
            )
        val wanted = exposure * (grey[0] / USUAL_AMBIENT).pow(Harmonics.EXPONENT)
        val (there, thereGain) = levelled(DoubleArray(COUNT) { values[it] * wanted })
        val (here, hereGain) = levelled(usual)
        return Exposed(floats(there), floats(here), thereGain / hereGain)
    }

    /** Whether this light, or the temperature given with it, is not neutral. */
    fun hasColour(kelvin: Double?): Boolean {
        if (kelvin != null) return true
        val found = sides(false)
        return listOf(found.shadow, found.lit).any { it.max() - it.min() >= 1e-3 * it.average() }
    }

    /** The colours of both sides; a temperature colours the directed part. */
    fun colours(kelvin: Double?): Sides {
        val found = sides(kelvin != null)
        if (kelvin == null) return found
        val dark = found.shadow.average()
        val more = found.lit.average() - dark
        val neutral = Colour.planckianRgb(NEUTRAL_KELVIN)
        val tint = Colour.planckianRgb(kelvin)
        return Sides(DoubleArray(3) { dark }, DoubleArray(3) { dark + more * tint[it] / neutral[it] })
    }

    private fun sides(whole: Boolean): Sides {
        val told = channels.map { c -> DoubleArray(COUNT) { c[it] * if (whole) 1.0 else CALMED[Harmonics.BAND[it]] } }
        val received = Harmonics.visible.map { seen -> DoubleArray(3) { max(Harmonics.dot(seen.row, told[it]), 0.0) } }
        val lit = received.maxBy { it.sum() }
        val dark = received.minBy { it.sum() }
        return Sides(DoubleArray(3) { dark[it] + 1e-3 }, DoubleArray(3) { lit[it] + 1e-3 })
    }

    /** The ball under this light as ARGB, side x side, transparent around it. */
    fun ball(side: Int): IntArray {
        val pixels = IntArray(side * side)
        for (row in 0 until side) {
            for (column in 0 until side) {
                val x = 2.0 * column / (side - 1) - 1
                val z = 1 - 2.0 * row / (side - 1)
                if (x * x + z * z > 1) continue
                val normal = Harmonics.basis(doubleArrayOf(x, -sqrt(1 - x * x - z * z), z))
                val (r, g, b) = List(3) { Colour.byteOfLinear(0.5 * max(Harmonics.dot(normal, channels[it]), 0.0)) }
                pixels[row * side + column] = Argb.of(255, r, g, b)
            }
        }
        return pixels
    }

    companion object {
        const val USUAL_SOFTNESS = 0.2
        const val NEUTRAL_KELVIN = 6500.0
        const val WARMEST = 1000.0
        const val COLDEST = 15000.0

        private const val COUNT = Harmonics.COEFFICIENTS
        private const val USUAL_AMBIENT = 0.87
        private const val AMBIENT_SHARE = 0.2
        private const val LEAST_READ = 0.05
        private const val USUAL_LEVEL = 0.8
        private const val MOST_MORE = 1.6
        private const val BRIGHTER_SIDE = 1.3
        private const val BRIGHTEST = 1.35
        private val TRAINED_ON = 0.5..1.1
        private val FARTHEST = 0.4..1.25
        private val LEVELS = 0.6..0.75
        private val CALMED = doubleArrayOf(1.0, 0.85, 0.45)

        /** Shares of the colours in a light's grey. Source: DPR's data preparation. */
        private val GREY = doubleArrayOf(0.299, 0.587, 0.114)

        /** Lights by the words photographers use; left and right are those of the picture. */
        val PRESETS =
            listOf(
                Preset("front", listOf(Lamp(0.0, 0.0)), 0.35),
                Preset("butterfly", listOf(Lamp(0.0, 50.0))),
                Preset("clamshell", listOf(Lamp(0.0, 45.0), Lamp(0.0, -35.0, 0.45))),
                Preset("loop", listOf(Lamp(-35.0, 35.0))),
                Preset("rembrandt", listOf(Lamp(-55.0, 42.0)), 0.2),
                Preset("split", listOf(Lamp(-90.0, 5.0)), 0.2),
                Preset("broad", listOf(Lamp(50.0, 15.0, softness = 0.5)), 0.3),
                Preset("rim", listOf(Lamp(-145.0, 25.0), Lamp(145.0, 25.0)), 0.3),
                Preset("horror", listOf(Lamp(0.0, -60.0)), 0.2),
                Preset("top", listOf(Lamp(0.0, 80.0))),
                Preset("window_left", listOf(Lamp(-75.0, 10.0, 1.0, 6000.0, 0.45)), kelvin = 7000.0),
                Preset("window_right", listOf(Lamp(75.0, 10.0, 1.0, 6000.0, 0.45)), kelvin = 7000.0),
                Preset("golden_hour", listOf(Lamp(65.0, 12.0, 1.0, 3400.0, 0.05)), kelvin = 7000.0),
                Preset("blue_hour", listOf(Lamp(0.0, 60.0, 1.0, 11000.0, 0.8)), 0.6, 11000.0),
                Preset("candle", listOf(Lamp(20.0, -20.0, 1.0, 1900.0)), 0.2, 2400.0),
                Preset("overcast", listOf(Lamp(0.0, 85.0, softness = 0.9)), 0.5),
                Preset("studio", listOf(Lamp(-45.0, 35.0), Lamp(50.0, 10.0, 0.45), Lamp(160.0, 40.0, 0.35))),
                Preset("ambient", emptyList()),
            )

        /** A lamp over even light. */
        fun fromDirection(angles: Angles, softness: Double = USUAL_SOFTNESS): Light =
            mixed(listOf(Lamp(angles.azimuth, angles.elevation, softness = softness)), AMBIENT_SHARE, null)

        fun fromPreset(name: String): Light {
            val preset = PRESETS.first { it.name == name }
            return mixed(preset.lamps, preset.ambient, preset.kelvin)
        }

        /** Unit vector toward a light. */
        fun direction(angles: Angles): DoubleArray {
            val a = angles.azimuth * PI / 180
            val e = angles.elevation * PI / 180
            return doubleArrayOf(sin(a) * cos(e), -cos(a) * cos(e), sin(e))
        }

        /** Angles of a vector of length 1 toward a light. */
        fun anglesOf(toward: DoubleArray): Angles =
            Angles(degrees(atan2(toward[0], -toward[1])), degrees(asin(toward[2].coerceIn(-1.0, 1.0))))

        private fun degrees(radians: Double): Double = radians * 180 / PI

        private fun mixed(lamps: List<Lamp>, ambient: Double, ambientKelvin: Double?): Light {
            val total = lamps.sumOf { it.weight }
            val even = kelvinTint(ambientKelvin)
            val share = if (lamps.isEmpty()) 1.0 else ambient
            return Light(
                List(3) { channel ->
                    val values = DoubleArray(COUNT)
                    for (lamp in lamps) {
                        val bands = sourceBands(lamp.softness)
                        val point = Harmonics.basis(direction(Angles(lamp.azimuth, lamp.elevation)), false)
                        val strength = lamp.weight / total * kelvinTint(lamp.kelvin)[channel]
                        for (i in values.indices) values[i] += strength * bands[Harmonics.BAND[i]] * point[i] / point[0]
                    }
                    DoubleArray(COUNT) {
                        USUAL_AMBIENT * ((1 - share) * values[it] + if (it == 0) share * even[channel] else 0.0)
                    }
                },
            )
        }

        private fun sourceBands(softness: Double): DoubleArray {
            val cosine = cos(PI / 2 * softness)
            return doubleArrayOf(1.0, (1 + cosine) / 2, cosine * (1 + cosine) / 2)
        }

        private fun kelvinTint(kelvin: Double?): DoubleArray {
            if (kelvin == null) return doubleArrayOf(1.0, 1.0, 1.0)
            val neutral = Colour.planckianRgb(NEUTRAL_KELVIN)
            val colour = Colour.planckianRgb(kelvin)
            val tint = DoubleArray(3) { max(colour[it] / neutral[it], 0.0) }
            val grey = (0..2).sumOf { tint[it] * GREY[it] }
            return DoubleArray(3) { tint[it] / grey }
        }

        private fun levelled(values: DoubleArray): Pair<DoubleArray, Double> {
            val first = max(values[0], 1e-6)
            val scale = min(first.coerceIn(LEVELS) / first, BRIGHTEST / Harmonics.brightest(values))
            return DoubleArray(COUNT) { values[it] * scale } to 1 / scale
        }

        private fun inRange(values: DoubleArray): DoubleArray {
            val first = max(values[0], 1e-6)
            val (least, most) = TRAINED_ON.start to TRAINED_ON.endInclusive
            val (lowest, highest) = FARTHEST.start to FARTHEST.endInclusive
            val wanted =
                when {
                    first > most -> highest - (highest - most) * exp((most - first) / (highest - most))
                    first < least -> lowest + (least - lowest) * exp((first - least) / (least - lowest))
                    else -> first
                }
            val scaled = DoubleArray(COUNT) { values[it] * wanted / first }
            val limit = min(1.0, BRIGHTEST / Harmonics.brightest(scaled))
            return DoubleArray(COUNT) { scaled[it] * limit }
        }

        private fun floats(values: DoubleArray) = FloatArray(values.size) { values[it].toFloat() }
    }
}

/** Pixels as 32-bit numbers: alpha, red, green, blue. */
object Argb {
    fun of(alpha: Int, red: Int, green: Int, blue: Int): Int = (alpha shl 24) or (red shl 16) or (green shl 8) or blue

    fun alpha(pixel: Int): Int = pixel ushr 24

    fun red(pixel: Int): Int = (pixel ushr 16) and 0xFF

    fun green(pixel: Int): Int = (pixel ushr 8) and 0xFF

    fun blue(pixel: Int): Int = pixel and 0xFF
}
