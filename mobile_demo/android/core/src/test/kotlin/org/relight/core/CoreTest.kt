package org.relight.core

import org.json.JSONObject
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test

/** The app's maths against the package's. */
class CoreTest {
    @Test
    fun `colours are those of the package`() {
        val told = vectors("colours")
        val near = told.getDouble("tolerance")
        val linear = told.doubles("srgb").map(Colour::srgbToLinear).toDoubleArray()
        assertNear("linear", told.doubles("linear"), linear, near)
        assertNear("sRGB", told.doubles("srgb"), linear.map(Colour::linearToSrgb).toDoubleArray(), near)
        val labs = told.getJSONArray("lab")
        told.getJSONArray("rgb").let { rgbs ->
            for (i in 0 until rgbs.length()) {
                val rgb = rgbs.getJSONArray(i).doubles()
                val lab = Colour.rgbToLab(rgb)
                assertNear("Lab", labs.getJSONArray(i).doubles(), DoubleArray(3) { lab[it] / 100 }, near)
                assertNear("and back", rgb, Colour.labToRgb(lab), near)
            }
        }
        assertNear("lightness", told.doubles("lightness"), told.doubles("luminance").map(Colour::fromLuminance).toDoubleArray(), near)
        assertNear("luminance", told.doubles("luminance"), told.doubles("lightness").map(Colour::toLuminance).toDoubleArray(), near)
        told.doubles("kelvin").forEachIndexed { i, kelvin ->
            assertNear("$kelvin K", told.getJSONArray("planckian").getJSONArray(i).doubles(), Colour.planckianRgb(kelvin), near)
        }
    }

    @Test
    fun `lights, presets and what networks take of them are those of the package`() {
        val told = vectors("lights")
        val near = told.getDouble("tolerance")
        val directions = told.getJSONArray("directions").objects().associateBy { it.getString("name") }
        val lights = told.getJSONArray("lights").objects()
        assertEquals(
            Light.PRESETS.map { it.name }.toSet(),
            lights.map { it.getString("name") }.toSet() - directions.keys,
        )
        val owns = told.getJSONArray("own").let { own -> List(own.length()) { own.getJSONArray(it).doubles() } }
        for (wanted in lights) {
            val name = wanted.getString("name")
            val light =
                directions[name]?.let {
                    Light.fromDirection(Angles(it.getDouble("azimuth"), it.getDouble("elevation")), it.getDouble("softness"))
                } ?: Light.fromPreset(name)
            for (c in 0..2) {
                assertNear(name, wanted.getJSONArray("coefficients").getJSONArray(c).doubles(), light.channels[c], near)
            }
            assertNear("$name in lightness", wanted.doubles("lightness"), Harmonics.toLightness(light.grey), near)
            assertNear("$name angles", wanted.doubles("angles"), light.angles.let { doubleArrayOf(it.azimuth, it.elevation) }, 1e-3)
            val kelvin = if (wanted.isNull("kelvin")) null else wanted.getDouble("kelvin")
            assertEquals(name, wanted.getBoolean("has_colour"), light.hasColour(kelvin))
            assertNear("$name shadow", wanted.doubles("shadow"), light.colours(kelvin).shadow, near)
            assertNear("$name lit", wanted.doubles("lit"), light.colours(kelvin).lit, 4 * near)
            wanted.getJSONArray("exposed").objects().forEachIndexed { i, exposed ->
                val found = light.exposed(owns[i])
                assertNear("$name numbers", exposed.doubles("numbers"), doubles(found.numbers), near)
                assertNear("$name own", exposed.doubles("own"), doubles(found.own), near)
                assertEquals(name, exposed.getDouble("gain"), found.gain, 1e-5)
            }
            val ball = light.ball(16)
            val drawn = wanted.pixels("ball")
            val inside = ball.indices.filter { Argb.alpha(ball[it]) == 255 }
            assertTrue(inside.size > 150)
            assertNear(
                "$name ball",
                colours(IntArray(inside.size) { drawn[inside[it]] }),
                colours(IntArray(inside.size) { ball[inside[it]] }),
                told.getDouble("ball_tolerance"),
            )
        }
    }

    @Test
    fun `the parts that are relit are those of the package`() {
        val told = vectors("places")
        for (case in told.getJSONArray("cases").objects()) {
            val faces = case.getJSONArray("faces").objects().map(::face)
            val found = Places.of(case.getInt("width"), case.getInt("height"), faces)
            val wanted = case.getJSONArray("places").objects()
            assertEquals(wanted.size, found.size)
            found.zip(wanted).forEach { (place, told) ->
                val sides = listOf("left", "top", "width", "height").map(told::getInt)
                assertEquals(sides, listOf(place.left, place.top, place.width, place.height))
                val (width, height) = Places.sizeForNetwork(place.width, place.height, 128)
                assertEquals(told.getJSONArray("network").doubles().map { it.toInt() }, listOf(width, height))
                assertEquals(told.isNull("weights"), place.whole)
                if (!place.whole) assertWeights(place, told)
            }
        }
    }

    @Test
    fun `pictures reach networks as squares as in the package`() {
        for (told in vectors("places").getJSONArray("squares").objects()) {
            val picture = told.plane("picture")
            val square = told.plane("square")
            assertNear("square", square.values, Squares.of(picture, square.width).values, 0.0)
            assertNear("and back", picture.values, Squares.cut(square, picture.width, picture.height).values, 0.0)
        }
    }

    @Test
    fun `heads that are tilted are turned as in the package`() {
        val told = vectors("places")
        val near = told.getDouble("tolerance")
        val turns = told.getJSONArray("turns")
        for (i in 0 until turns.length()) {
            val (tilt, turn) = turns.getJSONArray(i).doubles().toList()
            assertEquals("tilt $tilt", turn, Turning.of(tilt), 1e-9)
        }
        for (wanted in told.getJSONArray("turned").objects()) {
            val degrees = wanted.getDouble("degrees")
            assertNear("turned by $degrees", wanted.numbers("result"), Turning.turned(wanted.plane("square"), degrees).values, near)
        }
        val lights = vectors("lights")
        for (wanted in lights.getJSONArray("lights").objects()) {
            val given = wanted.getJSONArray("coefficients")
            val turned = Light(List(3) { given.getJSONArray(it).doubles() }).turned(lights.getDouble("turn"))
            for (channel in 0..2) {
                val expected = wanted.getJSONArray("turned").getJSONArray(channel).doubles()
                assertNear(wanted.getString("name"), expected, turned.channels[channel], 1e-9)
            }
        }
    }

    private fun assertWeights(place: Place, told: JSONObject) {
        val (row, column) = told.getJSONArray("weights").let { w -> List(2) { w.getJSONArray(it).doubles() } }
        val down = place.down.ramp(place.top + place.height / 2 + 0.5)
        assertNear("row", row, DoubleArray(row.size) { (place.across.ramp(place.left + it + 0.5) * down).toDouble() }, 1e-6)
        val across = place.across.ramp(place.left + place.width - 0.5)
        assertNear("column", column, DoubleArray(column.size) { (place.down.ramp(place.top + it + 0.5) * across).toDouble() }, 1e-6)
    }

    @Test
    fun `a change of light is brought to full size as by the package`() {
        val told = vectors("transfers")
        val wanted = told.getJSONArray("transfers").objects().first { it.shape("before")[2] == 1 }
        val (before, after, full) = listOf("before", "after", "full").map(wanted::plane)
        assertEquals(wanted.getDouble("softness"), Transfer.measureSoftness(before, after), 0.0)
        val change = Transfer.fit(before, after)
        val slicer = Slicer(change, full.width, Laid(before.width.toDouble() / full.width), Laid(before.height.toDouble() / full.height))
        val found = Plane(full.width, full.height)
        val line = FloatArray(full.width)
        for (y in 0 until full.height) {
            val row = full.values.copyOfRange(y * full.width, (y + 1) * full.width)
            slicer.row(y, row, row, line)
            for (x in line.indices) found.values[y * full.width + x] = line[x].coerceIn(0f, 1f)
        }
        assertNear("transfer", wanted.numbers("result"), found.values, told.getDouble("tolerance"))
    }

    @Test
    fun `the weave of the network is smoothed as by the package`() {
        val told = vectors("transfers")
        val smoothed = told.getJSONObject("smoothed")
        val (before, after) = smoothed.plane("before") to smoothed.plane("after")
        val foot = Transfer.FOOT
        val ratio = before.mapped { (after.values[it] + foot) / (before.values[it] + foot) }
        assertNear("smoothed", smoothed.numbers("result"), Portrait.withoutWeave(before, ratio).values, told.getDouble("tolerance"))
    }

    @Test
    fun `lightness is changed as by the package`() {
        val told = vectors("transfers")
        val changed = told.getJSONObject("changed")
        val pixels = changed.pixels("pixels")
        val (before, after, reach) = listOf("before", "after", "reach").map(changed::numbers)
        val seen = FloatArray(pixels.size).also { Lightness.row(pixels, 0, pixels.size, it) }
        assertNear("lightness", before, seen, told.getDouble("tolerance"))
        val light = Light.fromDirection(Angles(changed.getDouble("azimuth"), changed.getDouble("elevation")))
        val tint = Tint.of(light.colours(changed.getDouble("kelvin")), before, after)
        assertEquals(changed.getDouble("full_ratio"), tint.fullRatio, 1e-4)
        for ((name, used) in listOf("neutral" to null, "warm" to tint)) {
            val result = pixels.copyOf()
            Lightness.relight(result, result.size, after, reach, used)
            assertNear(name, changed.numbers(name), colours(result), told.getDouble("byte_tolerance"))
        }
    }

    @Test
    fun `a whole portrait comes out as from the package, given the same answers of the network`() {
        val told = vectors("portraits")
        for (wanted in told.getJSONArray("cases").objects()) {
            val name = wanted.getString("name")
            val (height, width) = wanted.shape("pixels")
            val pixels = wanted.pixels("pixels")
            val picture = Held(width, height, pixels)
            val network = Replayed(told, wanted)
            val mask = wanted.numbers("mask")
            val masked =
                object : Mask {
                    override fun row(y: Int, left: Int, count: Int, pixels: IntArray, scale: Scale, result: FloatArray) {
                        for (x in 0 until count) result[x] = mask[y * width + left + x] / 255
                    }
                }
            val portrait = Portrait(picture, listOf(face(wanted.getJSONObject("face"))), network, null) { masked }
            val coefficients = wanted.getJSONArray("coefficients")
            val light = Light(List(3) { coefficients.getJSONArray(it).doubles() })
            val kelvin = if (wanted.isNull("kelvin")) null else wanted.getDouble("kelvin")
            val wish = Wish(light, wanted.getDouble("strength").toFloat(), kelvin, wanted.getBoolean("keep_background"))
            val result = IntArray(pixels.size)
            portrait.render(picture, portrait.changes(light), wish) { y, row -> row.copyInto(result, y * width, 0, width) }
            val near = decibels(result, wanted.pixels("result"))
            println("$name: $near dB")
            assertTrue("$name: $near dB", near >= told.getDouble("psnr"))
            assertTrue("$name: nothing was changed", decibels(result, pixels) < 40)
        }
    }

    @Test
    fun `a picture that keeps its rows is drawn as one that does not, light after light`() {
        val told = vectors("portraits")
        for (wanted in told.getJSONArray("cases").objects()) {
            val (height, width) = wanted.shape("pixels")
            val pixels = wanted.pixels("pixels")
            val mask = wanted.numbers("mask")
            var asked = 0
            val masked =
                object : Mask {
                    override fun row(y: Int, left: Int, count: Int, pixels: IntArray, scale: Scale, result: FloatArray) {
                        asked++
                        for (x in 0 until count) result[x] = mask[y * width + left + x] / 255
                    }
                }
            val network = Replayed(told, wanted)
            val portrait = Portrait(Held(width, height, pixels), listOf(face(wanted.getJSONObject("face"))), network, network) { masked }
            val coefficients = wanted.getJSONArray("coefficients")
            val light = Light(List(3) { coefficients.getJSONArray(it).doubles() })
            val keeping = Held(width, height, pixels, KeptRows())
            val drawn = { target: Picture, wish: Wish ->
                IntArray(pixels.size).also { into ->
                    portrait.render(target, portrait.changes(light, quickly = true), wish) { y, row ->
                        row.copyInto(into, y * width, 0, width)
                    }
                }
            }
            for (strength in listOf(1f, 0.5f, 1f)) {
                for (kelvin in listOf(null, 3000.0)) {
                    val wish = Wish(light, strength, kelvin, keepBackground = true)
                    assertTrue(wanted.getString("name"), drawn(Held(width, height, pixels), wish).contentEquals(drawn(keeping, wish)))
                }
            }
            asked = 0
            drawn(keeping, Wish(light, keepBackground = true))
            assertEquals("rows of people that are known are not asked for again", 0, asked)
        }
    }

    private class Held(
        override val width: Int,
        override val height: Int,
        private val pixels: IntArray,
        override val kept: KeptRows? = null,
    ) : Picture {
        override fun row(y: Int, into: IntArray) {
            pixels.copyInto(into, 0, y * width, (y + 1) * width)
        }
    }

    /** A network that answers what the package's answered, and checks what it is asked. */
    private class Replayed(private val told: JSONObject, private val wanted: JSONObject) : Network {
        override val side = told.getInt("side")
        private val asked = wanted.getJSONArray("asked").objects()
        private var seen = false

        override fun run(plane: Plane, numbers: FloatArray): Answer {
            if (!seen) assertNear("input", asked[0].numbers("image"), plane.values, told.getDouble("input_tolerance"))
            seen = true
            val near = told.getDouble("light_tolerance")
            val answer =
                asked.first { each ->
                    each.doubles("light").indices.all { Math.abs(each.doubles("light")[it] - numbers[it]) < near }
                }
            val light = answer.doubles("source_light")
            return Answer(Plane(plane.width, plane.height, answer.numbers("relit")), FloatArray(light.size) { light[it].toFloat() })
        }
    }

    private fun face(told: JSONObject) =
        Face(
            told.getDouble("left"),
            told.getDouble("top"),
            told.getDouble("width"),
            told.getDouble("height"),
            tilt = told.optDouble("tilt", 0.0),
        )

    private fun doubles(values: FloatArray) = DoubleArray(values.size) { values[it].toDouble() }
}
