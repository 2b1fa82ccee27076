package org.relight.app

import android.content.Context
import android.content.res.AssetManager
import org.json.JSONObject
import org.relight.core.Finder
import org.relight.core.PortraitNetwork
import org.tensorflow.lite.Interpreter
import java.io.FileInputStream
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.nio.channels.FileChannel
import java.security.MessageDigest

/** A network file is missing, or is another than the manifest's. */
class BrokenNetwork(name: String) : Exception(name)

/**
 * The packed networks on TensorFlow Lite, each checked against the manifest; made and used on one thread.
 *
 * Of the portrait files the one that was quicker on this phone is kept: both are timed once.
 */
class Networks(context: Context) : AutoCloseable {
    private val assets: AssetManager = context.assets
    private val files = JSONObject(assets.open("manifest.json").use { it.readBytes().decodeToString() }).getJSONArray("files")
    private val records = List(files.length(), files::getJSONObject)
    private val finders = Finder.entries.associateWith { SmallNetwork(byRole("faces_${it.name.lowercase()}")) }
    private val people = SmallNetwork(byRole("people"))
    private val portrait: Interpreter

    /** The file in use, and milliseconds of one pass at the full size. */
    val name: String
    val milliseconds: Long
    val full: PortraitNetwork
    val quick: PortraitNetwork

    init {
        val candidates = records.filter { it.getString("role") == "portrait" }
        val sizes = candidates[0].getJSONArray("sizes").let { List(it.length(), it::getInt) }.sorted()
        val kept = context.getSharedPreferences("networks", Context.MODE_PRIVATE)
        val known = candidates.firstOrNull { it.getString("sha256") == kept.getString("quickest", null) }
        val timed =
            (known?.let(::listOf) ?: candidates).map {
                val interpreter = interpreter(content(it), THREADS)
                Triple(it, interpreter, time(interpreter, sizes.last()))
            }
        val (record, interpreter, quickest) = timed.minBy { it.third }
        timed.forEach { if (it.second !== interpreter) it.second.close() }
        kept.edit().putString("quickest", record.getString("sha256")).apply()
        portrait = interpreter
        name = record.getString("name")
        milliseconds = quickest
        full = network(sizes.last(), !record.optBoolean("mirrored", true))
        quick = network(sizes.first(), false)
    }

    /** What a face network answers to a square of side x side RGB in -1..1: 16 numbers a place, and scores. */
    fun look(finder: Finder, square: FloatArray): Pair<FloatArray, FloatArray> {
        val (a, b) = finders.getValue(finder).run(square)
        return if (a.size > b.size) a to b else b to a
    }

    /** How far each pixel of a square of [PEOPLE_SIDE] RGB in 0..1 belongs to people. */
    fun people(square: FloatArray): FloatArray = people.run(square)[0]

    override fun close() {
        portrait.close()
        finders.values.forEach(SmallNetwork::close)
        people.close()
    }

    private fun network(side: Int, mirrored: Boolean) = PortraitNetwork(side, mirrored) { square, numbers ->
        pass(portrait, side, square, numbers)
    }

    private fun time(interpreter: Interpreter, side: Int): Long {
        val square = FloatArray(side * side) { 0.5f }
        val numbers = FloatArray(9) { 0.1f }
        // The first run prepares.
        return List(RUNS) {
            val start = System.nanoTime()
            pass(interpreter, side, square, numbers)
            (System.nanoTime() - start) / 1_000_000
        }.drop(1).min()
    }

    private fun byRole(role: String): ByteBuffer = content(records.first { it.getString("role") == role })

    /** A file of the assets as memory, checked. */
    private fun content(record: JSONObject): ByteBuffer {
        val name = record.getString("name")
        val content =
            try {
                assets.openFd(name).use { file ->
                    FileInputStream(file.fileDescriptor).channel.use {
                        it.map(FileChannel.MapMode.READ_ONLY, file.startOffset, file.declaredLength)
                    }
                }
            } catch (_: java.io.IOException) {
                throw BrokenNetwork(name)
            }
        val sum = MessageDigest.getInstance("SHA-256").apply { update(content.duplicate()) }.digest()
        if (sum.joinToString("") { "%02x".format(it) } != record.getString("sha256")) throw BrokenNetwork(name)
        return content
    }

    /** A network with one input and no signatures. */
    private class SmallNetwork(content: ByteBuffer) : AutoCloseable {
        private val interpreter = interpreter(content, 1)

        fun run(input: FloatArray): List<FloatArray> {
            val outputs = List(interpreter.outputTensorCount) { buffer(interpreter.getOutputTensor(it).numElements()) }
            interpreter.runForMultipleInputsOutputs(arrayOf<Any>(buffer(input)), outputs.withIndex().associate { it.index to it.value })
            return outputs.map(::floats)
        }

        override fun close() = interpreter.close()
    }

    companion object {
        const val PEOPLE_SIDE = 256
        private const val THREADS = 2
        private const val RUNS = 4

        private fun interpreter(content: ByteBuffer, threads: Int) =
            Interpreter(content, Interpreter.Options().setNumThreads(threads))

        private fun pass(interpreter: Interpreter, side: Int, square: FloatArray, numbers: FloatArray): Pair<FloatArray, FloatArray> {
            val relit = buffer(square.size)
            val light = buffer(numbers.size)
            interpreter.runSignature(
                mapOf("image" to buffer(square), "light" to buffer(numbers)),
                mapOf("relit" to relit, "source_light" to light),
                "relight_$side",
            )
            return floats(relit) to floats(light)
        }

        private fun buffer(count: Int): ByteBuffer = ByteBuffer.allocateDirect(Float.SIZE_BYTES * count).order(ByteOrder.nativeOrder())

        private fun buffer(values: FloatArray): ByteBuffer = buffer(values.size).apply { asFloatBuffer().put(values) }

        private fun floats(buffer: ByteBuffer): FloatArray {
            buffer.rewind()
            return FloatArray(buffer.remaining() / Float.SIZE_BYTES).also { buffer.asFloatBuffer().get(it) }
        }
    }
}
