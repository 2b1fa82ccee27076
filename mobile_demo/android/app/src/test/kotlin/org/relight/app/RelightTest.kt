package org.relight.app

import org.json.JSONObject
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.relight.core.Angles
import org.relight.core.Plane
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.annotation.Config
import org.robolectric.annotation.GraphicsMode
import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.util.Base64
import kotlin.math.log10

/** The packed networks on the runtime's own native code. */
@RunWith(RobolectricTestRunner::class)
@Config(sdk = [34])
@GraphicsMode(GraphicsMode.Mode.NATIVE)
class RelightTest {
    @Test
    fun `the portrait network answers as in Python`() {
        val told = JSONObject(File(System.getProperty("vectors"), "network.json").readText())
        val side = told.getInt("side")
        val bytes = Base64.getDecoder().decode(told.getJSONObject("image").getString("base64"))
        val image = Plane(side, side, FloatArray(bytes.size) { (bytes[it].toInt() and 0xFF) / 255f })
        val relit = Base64.getDecoder().decode(told.getJSONObject("relit").getString("base64"))
        val wanted = ByteBuffer.wrap(relit).order(ByteOrder.LITTLE_ENDIAN)
        val numbers = told.getJSONArray("light").let { list -> FloatArray(list.length()) { list.getDouble(it).toFloat() } }
        val light = told.getJSONArray("source_light").let { list -> FloatArray(list.length()) { list.getDouble(it).toFloat() } }
        Networks(RuntimeEnvironment.getApplication()).use { networks ->
            val answer = networks.full.run(image, numbers)
            val error = answer.relit.values.indices.sumOf {
                val off = answer.relit.values[it] - (wanted.getShort(2 * it).toInt() and 0xFFFF) / 65535.0
                off * off
            } / answer.relit.values.size
            val decibels = -10 * log10(error)
            val kind = networks.name.substringAfter("lit_unet_").substringBefore(".")
            println("${networks.name}: $decibels dB from Keras, ${networks.milliseconds} ms a pass")
            assertTrue("${networks.name}: $decibels dB", decibels >= told.getJSONObject("psnr").getDouble(kind))
            for (i in light.indices) assertEquals(light[i], answer.light[i], 0.02f)
        }
    }

    @Test
    fun `the face of the example is found, and light from the right lights its right side`() {
        val activity = Robolectric.buildActivity(MainActivity::class.java).setup().get()
        activity.open("photo.jpg", example())
        activity.move(Angles(-80.0, 0.0), done = true)
        activity.settle()
        val left = halves(activity)
        activity.move(Angles(80.0, 0.0), done = true)
        activity.settle()
        val right = halves(activity)
        println("halves $left $right; ${activity.status()}")
        assertTrue("the sides did not change: $left $right", right.second - right.first > left.second - left.first + 0.05)
        assertTrue(activity.status(), !activity.status().contains("No face"))
    }

    /** Mean brightness 0..1 of the left and the right half of the face. */
    private fun halves(activity: MainActivity): Pair<Double, Double> {
        val made = activity.studio.result!!
        val mean = { from: Int, to: Int ->
            val pixels = (from until to).flatMap { x -> (80 until 160).map { y -> made.getPixel(x, y) } }
            pixels.sumOf { android.graphics.Color.green(it) } / 255.0 / pixels.size
        }
        return mean(110, 145) to mean(150, 185)
    }
}
