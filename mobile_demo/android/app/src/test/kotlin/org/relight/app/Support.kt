package org.relight.app

import android.app.Activity
import android.graphics.Bitmap
import android.graphics.BitmapFactory
import android.graphics.Canvas
import android.net.Uri
import android.os.Looper
import android.view.View
import android.widget.TextView
import org.junit.Assert.assertTrue
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import java.io.ByteArrayInputStream
import java.io.File
import java.io.FileOutputStream
import java.io.InputStream
import java.util.concurrent.TimeUnit

val EXAMPLE = File(System.getProperty("example"))

/** A content address under which other apps give these bytes. */
fun given(name: String, bytes: ByteArray): Uri {
    val uri = Uri.parse("content://other.app/$name")
    shadowOf(RuntimeEnvironment.getApplication().contentResolver).registerInputStreamSupplier(uri) {
        ByteArrayInputStream(bytes) as InputStream
    }
    return uri
}

/** Wait until the studio has done all and the screen shows it. */
fun MainActivity.settle() {
    repeat(3) {
        shadowOf(Looper.getMainLooper()).idleFor(1, TimeUnit.SECONDS)
        studio.await()
    }
    shadowOf(Looper.getMainLooper()).idle()
}

fun MainActivity.status(): String = findViewById<TextView>(R.id.status).text.toString()

fun MainActivity.open(name: String, bytes: ByteArray) {
    load(given(name, bytes))
    settle()
}

fun example(): ByteArray = EXAMPLE.readBytes()

fun bytesOf(bitmap: Bitmap): ByteArray = java.io.ByteArrayOutputStream().also {
    bitmap.compress(Bitmap.CompressFormat.PNG, 100, it)
}.toByteArray()

fun decoded(bytes: ByteArray): Bitmap = BitmapFactory.decodeByteArray(bytes, 0, bytes.size)

/** Draw the whole screen into a file of the artefacts. */
fun shoot(activity: Activity, name: String): Bitmap {
    val view: View = activity.window.decorView
    val bitmap = Bitmap.createBitmap(view.width, view.height, Bitmap.Config.ARGB_8888)
    view.draw(Canvas(bitmap))
    val file = File(System.getProperty("screens"), "$name.png")
    FileOutputStream(file).use { bitmap.compress(Bitmap.CompressFormat.PNG, 100, it) }
    assertTrue(file.length() > 0)
    return bitmap
}
