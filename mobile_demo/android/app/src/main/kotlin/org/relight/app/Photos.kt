package org.relight.app

import android.content.ContentResolver
import android.content.ContentValues
import android.graphics.Bitmap
import android.graphics.BitmapFactory
import android.graphics.ColorSpace
import android.graphics.ImageDecoder
import android.graphics.Matrix
import android.media.ExifInterface
import android.net.Uri
import android.os.Build
import android.os.Environment
import android.provider.MediaStore
import java.io.FileNotFoundException
import java.io.IOException
import kotlin.math.max
import kotlin.math.sqrt

/** A photo in memory, upright; `smaller` where it was too large. */
data class Photo(val bitmap: Bitmap, val smaller: Boolean)

/** The file is no picture that this phone can read. */
class NotReadable(cause: Throwable?) : IOException(cause)

/** The picture could not be written. */
class NotSaved(cause: Throwable?) : IOException(cause)

/** Photos from and to other apps. */
object Photos {
    /** More pixels do not fit twice into the memory of every phone. */
    const val LARGEST_PIXELS = 12_500_000
    private const val QUALITY = 95
    private const val FOLDER = "Relight"
    private const val FIRST_WITH_DECODER = Build.VERSION_CODES.P

    /**
     * Read a photo the right way up.
     *
     * Raises FileNotFoundException where it is gone, NotReadable where it is none.
     */
    fun read(resolver: ContentResolver, uri: Uri): Photo =
        try {
            if (Build.VERSION.SDK_INT >= FIRST_WITH_DECODER) decoded(resolver, uri) else decodedOld(resolver, uri)
        } catch (error: FileNotFoundException) {
            throw error
        } catch (error: SecurityException) {
            throw FileNotFoundException(error.message)
        } catch (error: IOException) {
            throw NotReadable(error)
        } catch (error: RuntimeException) {
            throw NotReadable(error)
        }

    private fun decoded(resolver: ContentResolver, uri: Uri): Photo {
        var smaller = false
        val bitmap =
            ImageDecoder.decodeBitmap(ImageDecoder.createSource(resolver, uri)) { decoder, info, _ ->
                decoder.allocator = ImageDecoder.ALLOCATOR_SOFTWARE
                decoder.setTargetColorSpace(ColorSpace.get(ColorSpace.Named.SRGB))
                val scale = scale(info.size.width, info.size.height)
                smaller = scale < 1
                if (smaller) {
                    decoder.setTargetSize(shrunk(info.size.width, scale), shrunk(info.size.height, scale))
                }
            }
        return Photo(plain(bitmap), smaller)
    }

    private fun decodedOld(resolver: ContentResolver, uri: Uri): Photo {
        val bounds = BitmapFactory.Options().apply { inJustDecodeBounds = true }
        resolver.openInputStream(uri)?.use { BitmapFactory.decodeStream(it, null, bounds) }
        if (bounds.outWidth <= 0) throw NotReadable(null)
        var step = 1
        while (bounds.outWidth.toLong() * bounds.outHeight / (step * step) > LARGEST_PIXELS) step *= 2
        val options = BitmapFactory.Options().apply { inSampleSize = step }
        val bitmap = resolver.openInputStream(uri)?.use { BitmapFactory.decodeStream(it, null, options) }
        val turn =
            resolver.openInputStream(uri)?.use {
                ExifInterface(it).getAttributeInt(ExifInterface.TAG_ORIENTATION, ExifInterface.ORIENTATION_NORMAL)
            }
        return Photo(plain(upright(bitmap ?: throw NotReadable(null), turn ?: 0)), step > 1)
    }

    private fun upright(bitmap: Bitmap, orientation: Int): Bitmap {
        val matrix = Matrix()
        when (orientation) {
            ExifInterface.ORIENTATION_FLIP_HORIZONTAL -> matrix.setScale(-1f, 1f)
            ExifInterface.ORIENTATION_ROTATE_180 -> matrix.setRotate(180f)
            ExifInterface.ORIENTATION_FLIP_VERTICAL -> matrix.setScale(1f, -1f)
            ExifInterface.ORIENTATION_TRANSPOSE -> matrix.apply { setRotate(90f) }.postScale(-1f, 1f)
            ExifInterface.ORIENTATION_ROTATE_90 -> matrix.setRotate(90f)
            ExifInterface.ORIENTATION_TRANSVERSE -> matrix.apply { setRotate(-90f) }.postScale(-1f, 1f)
            ExifInterface.ORIENTATION_ROTATE_270 -> matrix.setRotate(-90f)
            else -> return bitmap
        }
        return Bitmap.createBitmap(bitmap, 0, 0, bitmap.width, bitmap.height, matrix, true)
    }

    private fun scale(width: Int, height: Int): Double = minOf(1.0, sqrt(LARGEST_PIXELS.toDouble() / width / height))

    private fun shrunk(side: Int, scale: Double): Int = max(1, (side * scale).toInt())

    /** Eight bits a channel, whatever the file had. */
    private fun plain(bitmap: Bitmap): Bitmap =
        if (bitmap.config == Bitmap.Config.ARGB_8888) bitmap else bitmap.copy(Bitmap.Config.ARGB_8888, false)

    /** Write a picture into Pictures/Relight, as PNG where it is transparent, else as JPEG; raises NotSaved. */
    fun save(resolver: ContentResolver, bitmap: Bitmap): Uri {
        val (kind, ending) = if (bitmap.hasAlpha()) "image/png" to "png" else "image/jpeg" to "jpg"
        val uri = insert(resolver, kind, "relit-${System.currentTimeMillis()}.$ending")
        try {
            val format = if (bitmap.hasAlpha()) Bitmap.CompressFormat.PNG else Bitmap.CompressFormat.JPEG
            val done = resolver.openOutputStream(uri)?.use { bitmap.compress(format, QUALITY, it) }
            if (done != true) throw NotSaved(null)
            publish(resolver, uri)
        } catch (error: IOException) {
            // Nothing half-written stays.
            resolver.delete(uri, null, null)
            throw NotSaved(error)
        }
        return uri
    }

    /** A place for a picture, which others do not see yet. */
    fun insert(resolver: ContentResolver, kind: String, name: String): Uri {
        val values =
            ContentValues().apply {
                put(MediaStore.Images.Media.DISPLAY_NAME, name)
                put(MediaStore.Images.Media.MIME_TYPE, kind)
                if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.Q) {
                    put(MediaStore.Images.Media.RELATIVE_PATH, "${Environment.DIRECTORY_PICTURES}/$FOLDER")
                    put(MediaStore.Images.Media.IS_PENDING, 1)
                }
            }
        return try {
            resolver.insert(MediaStore.Images.Media.EXTERNAL_CONTENT_URI, values)
        } catch (error: RuntimeException) {
            throw NotSaved(error)
        } ?: throw NotSaved(null)
    }

    private fun publish(resolver: ContentResolver, uri: Uri) {
        if (Build.VERSION.SDK_INT < Build.VERSION_CODES.Q) return
        resolver.update(uri, ContentValues().apply { put(MediaStore.Images.Media.IS_PENDING, 0) }, null, null)
    }
}
