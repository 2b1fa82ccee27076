package org.relight.core

import org.json.JSONArray
import org.json.JSONObject
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.util.Base64
import kotlin.math.abs

/** The numbers shared by Python, JavaScript and Kotlin. */
fun vectors(name: String): JSONObject = JSONObject(File(System.getProperty("vectors"), "$name.json").readText())

fun JSONArray.objects(): List<JSONObject> = List(length()) { getJSONObject(it) }

fun JSONArray.doubles(): DoubleArray = DoubleArray(length()) { getDouble(it) }

fun JSONObject.doubles(name: String): DoubleArray = getJSONArray(name).doubles()

/** The numbers of an array told as base64. */
fun JSONObject.numbers(name: String): FloatArray {
    val told = getJSONObject(name)
    val bytes = ByteBuffer.wrap(Base64.getDecoder().decode(told.getString("base64"))).order(ByteOrder.LITTLE_ENDIAN)
    return when (told.getString("type")) {
        "float32" -> FloatArray(bytes.remaining() / 4) { bytes.getFloat(4 * it) }
        "uint8" -> FloatArray(bytes.remaining()) { (bytes.get(it).toInt() and 0xFF).toFloat() }
        else -> FloatArray(bytes.remaining() / 2) { (bytes.getShort(2 * it).toInt() and 0xFFFF).toFloat() }
    }
}

fun JSONObject.shape(name: String): List<Int> = getJSONObject(name).getJSONArray("shape").let { List(it.length(), it::getInt) }

/** A plane (H, W) or (H, W, 1). */
fun JSONObject.plane(name: String): Plane = shape(name).let { Plane(it[1], it[0], numbers(name)) }

/** Pixels (H, W, 3) as ARGB. */
fun JSONObject.pixels(name: String): IntArray {
    val values = numbers(name)
    return IntArray(values.size / 3) {
        Argb.of(255, values[3 * it].toInt(), values[3 * it + 1].toInt(), values[3 * it + 2].toInt())
    }
}

fun assertNear(what: String, wanted: DoubleArray, found: DoubleArray, tolerance: Double) {
    assertEquals(what, wanted.size, found.size)
    for (i in wanted.indices) {
        assertTrue("$what: number $i is ${found[i]}, not ${wanted[i]}", abs(found[i] - wanted[i]) <= tolerance)
    }
}

fun assertNear(what: String, wanted: FloatArray, found: FloatArray, tolerance: Double) =
    assertNear(what, DoubleArray(wanted.size) { wanted[it].toDouble() }, DoubleArray(found.size) { found[it].toDouble() }, tolerance)

/** The three colours of pixels, one after the other. */
fun colours(pixels: IntArray): FloatArray =
    FloatArray(3 * pixels.size) {
        val pixel = pixels[it / 3]
        listOf(Argb.red(pixel), Argb.green(pixel), Argb.blue(pixel))[it % 3].toFloat()
    }

fun decibels(a: IntArray, b: IntArray): Double {
    val (x, y) = colours(a) to colours(b)
    val sum = x.indices.sumOf { ((x[it] - y[it]) * (x[it] - y[it])).toDouble() }
    return if (sum == 0.0) Double.POSITIVE_INFINITY else 10 * Math.log10(255.0 * 255 * x.size / sum)
}
