package org.relight.app

import android.content.ContentProvider
import android.content.ContentValues
import android.content.Intent
import android.content.res.Configuration
import android.database.Cursor
import android.graphics.Bitmap
import android.graphics.Color
import android.net.Uri
import android.os.Bundle
import android.os.ParcelFileDescriptor
import android.view.KeyEvent
import android.view.MotionEvent
import android.view.View
import android.view.accessibility.AccessibilityNodeInfo.AccessibilityAction
import android.widget.Switch
import android.widget.TextView
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNotNull
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.relight.core.Angles
import org.relight.core.Light
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Config
import org.robolectric.annotation.GraphicsMode
import org.robolectric.shadows.ShadowSensorManager
import java.io.File

/** The screen's life: touch, keys, tilt, rotation, death, saving, and files that are none. */
@RunWith(RobolectricTestRunner::class)
@Config(sdk = [34], qualifiers = "w411dp-h731dp-port-xhdpi")
@GraphicsMode(GraphicsMode.Mode.NATIVE)
class LifeTest {
    private fun started() = Robolectric.buildActivity(MainActivity::class.java).setup()

    private fun touch(view: View, action: Int, x: Float, y: Float) =
        view.dispatchTouchEvent(MotionEvent.obtain(0, 0, action, view.width * (1 + x) / 2, view.height * (1 + y) / 2, 0))

    private fun where(activity: MainActivity) = activity.findViewById<TextView>(R.id.where).text.toString()

    @Test
    fun `a finger on the ball moves the lamp, and keys do in steps`() {
        val activity = started().get()
        val ball = activity.findViewById<BallView>(R.id.ball)
        touch(ball, MotionEvent.ACTION_DOWN, 0f, 0f)
        touch(ball, MotionEvent.ACTION_MOVE, 0.7f, 0f)
        touch(ball, MotionEvent.ACTION_UP, 0.73f, 0f)
        assertEquals("From the right", where(activity))
        touch(ball, MotionEvent.ACTION_DOWN, -0.94f, 0f)
        assertEquals("From behind", where(activity))
        touch(ball, MotionEvent.ACTION_UP, 0f, 0f)
        repeat(4) { ball.onKeyDown(KeyEvent.KEYCODE_DPAD_UP, KeyEvent(KeyEvent.ACTION_DOWN, KeyEvent.KEYCODE_DPAD_UP)) }
        assertEquals("From the front, 20° up", where(activity))
        assertTrue(ball.contentDescription.contains("From the front, 20° up"))
        assertTrue(ball.performAccessibilityAction(AccessibilityAction.ACTION_SCROLL_FORWARD.id, null))
        assertEquals(15.0, activity.settings.angles.azimuth, 1e-6)
        assertNull(activity.settings.preset)
    }

    @Test
    fun `places on the pad are angles and back`() {
        for (azimuth in -180..150 step 30) {
            for (elevation in -75..75 step 25) {
                val (x, y) = Pad.placeOf(Angles(azimuth.toDouble(), elevation.toDouble()))
                val back = Pad.anglesAt(x, y)
                val wanted = Light.direction(Angles(azimuth.toDouble(), elevation.toDouble()))
                val found = Light.direction(back)
                for (i in 0..2) assertEquals("$azimuth $elevation", wanted[i], found[i], 1e-6)
            }
        }
    }

    @Test
    fun `tilt moves the lamp against the phone, and a missing sensor is said`() {
        val activity = started().get()
        activity.findViewById<Switch>(R.id.tilt).isChecked = true
        assertFalse(activity.findViewById<Switch>(R.id.tilt).isChecked)
        assertEquals("This phone has no sensor of its tilt.", activity.status())

        val sensors = shadowOf(activity.getSystemService(android.hardware.SensorManager::class.java)) as ShadowSensorManager
        val sensor = org.robolectric.shadows.ShadowSensor.newInstance(android.hardware.Sensor.TYPE_GAME_ROTATION_VECTOR)
        sensors.addSensor(sensor)
        activity.move(Angles(0.0, 0.0))
        activity.findViewById<Switch>(R.id.tilt).isChecked = true
        assertTrue(sensors.hasListener(sensors.listeners.first()))
        val feed = { degrees: Double ->
            val half = Math.toRadians(degrees) / 2
            // Turned about the phone's long side.
            val values = floatArrayOf(0f, Math.sin(half).toFloat(), 0f, Math.cos(half).toFloat())
            val event = org.robolectric.shadows.SensorEventBuilder.newBuilder().setSensor(sensor).setValues(values).build()
            sensors.sendSensorEventToListeners(event)
        }
        feed(10.0)
        feed(40.0)
        assertEquals(30.0, Math.abs(activity.settings.angles.azimuth), 1.0)
        assertEquals(0.0, activity.settings.angles.elevation, 1.0)
    }

    @Test
    fun `opening asks for a document, the camera for a place, and what cannot start is said`() {
        val activity = started().get()
        activity.findViewById<View>(R.id.open).performClick()
        val asked = shadowOf(activity).nextStartedActivityForResult
        assertEquals(Intent.ACTION_OPEN_DOCUMENT, asked.intent.action)
        assertEquals("image/*", asked.intent.type)
        val uri = given("chosen.jpg", example())
        shadowOf(activity).receiveResult(asked.intent, android.app.Activity.RESULT_OK, Intent().setData(uri))
        activity.settle()
        assertTrue(activity.status(), activity.status().startsWith("Done in"))
    }

    @Test
    fun `a turned phone keeps photo, light and networks`() {
        val controller = started()
        val activity = controller.get()
        activity.open("photo.jpg", example())
        activity.move(Angles(60.0, 10.0), done = true)
        val studio = activity.studio
        controller.configurationChange(
            Configuration(activity.resources.configuration).apply {
                orientation =
                    Configuration.ORIENTATION_LANDSCAPE
            },
        )
        val again = controller.get()
        assertTrue(again !== activity)
        assertTrue(again.studio === studio)
        again.settle()
        assertEquals(60.0, again.settings.angles.azimuth, 1e-6)
        assertNotNull(again.studio.result)
        assertTrue(again.findViewById<View>(R.id.save).isEnabled)
        assertEquals(View.GONE, again.findViewById<View>(R.id.welcome).visibility)
    }

    @Test
    fun `an app that was ended while relighting comes back with photo and light`() {
        val first = started()
        first.get().load(given("photo.jpg", example()))
        first.get().move(Angles(-60.0, 40.0))
        val state = Bundle()
        first.saveInstanceState(state).pause().stop().destroy()
        val second = Robolectric.buildActivity(MainActivity::class.java).setup(state).get()
        second.settle()
        assertEquals(-60.0, second.settings.angles.azimuth, 1e-6)
        assertTrue(second.status(), second.status().startsWith("Done in"))
    }

    @Test
    fun `a photo that another app shares is opened`() {
        val intent = Intent(Intent.ACTION_SEND).setType("image/jpeg").putExtra(Intent.EXTRA_STREAM, given("sent.jpg", example()))
        val activity = Robolectric.buildActivity(MainActivity::class.java, intent).setup().get()
        activity.settle()
        assertTrue(activity.status(), activity.status().startsWith("Done in"))
    }

    @Test
    fun `what is saved is what was made, and it can be shared`() {
        val activity = started().get()
        val store = Robolectric.setupContentProvider(Store::class.java, "media")
        activity.open("photo.jpg", example())
        activity.findViewById<View>(R.id.save).performClick()
        activity.settle()
        assertEquals("Saved in Pictures/Relight.", activity.status())
        assertEquals(1, store.files.size)
        val read = decoded(store.files.values.first().readBytes())
        val made = activity.studio.result!!
        assertEquals(made.width to made.height, read.width to read.height)
        // JPEG of quality 95.
        assertTrue(near(made, read) > 32)
        assertEquals(0, store.values.values.first().getAsInteger(android.provider.MediaStore.Images.Media.IS_PENDING))

        activity.findViewById<View>(R.id.share).performClick()
        activity.settle()
        val chooser = shadowOf(activity).nextStartedActivity
        assertEquals(Intent.ACTION_CHOOSER, chooser.action)
        @Suppress("DEPRECATION")
        val sent = chooser.getParcelableExtra<Intent>(Intent.EXTRA_INTENT)!!
        assertEquals(Intent.ACTION_SEND, sent.action)
        assertTrue(sent.flags and Intent.FLAG_GRANT_READ_URI_PERMISSION != 0)
    }

    @Test
    fun `a full storage is said, and nothing half-written stays`() {
        val activity = started().get()
        val store = Robolectric.setupContentProvider(Store::class.java, "media")
        store.full = true
        activity.open("photo.jpg", example())
        activity.findViewById<View>(R.id.save).performClick()
        activity.settle()
        assertTrue(activity.status(), activity.status().startsWith("The picture could not be saved"))
        assertEquals(0, store.files.size)
    }

    @Test
    fun `files that are none are refused with a sentence, and photos of every kind are relit`() {
        val activity = started().get()
        activity.open("broken.jpg", example().copyOf(200) + ByteArray(40))
        assertTrue(activity.status(), activity.status().startsWith("This file cannot be read as a picture."))
        activity.load(Uri.parse("content://other.app/gone"))
        activity.settle()
        assertTrue(activity.status(), Regex("(This file cannot|The photo cannot).*").matches(activity.status()))

        val one = Bitmap.createBitmap(1, 1, Bitmap.Config.ARGB_8888).apply { eraseColor(Color.rgb(120, 90, 70)) }
        activity.open("one.png", bytesOf(one))
        assertTrue(activity.status(), activity.status().contains("No face was found"))
        val clear = Bitmap.createBitmap(90, 60, Bitmap.Config.ARGB_8888)
        for (x in 0 until 45) for (y in 0 until 60) clear.setPixel(x, y, Color.rgb(2 * x, 3 * y, 90))
        activity.open("clear.png", bytesOf(clear))
        val made = activity.studio.result!!
        assertEquals(90 to 60, made.width to made.height)
        assertEquals(0, Color.alpha(made.getPixel(80, 30)))
        assertEquals(255, Color.alpha(made.getPixel(20, 30)))
    }

    private fun near(a: Bitmap, b: Bitmap): Double {
        var sum = 0.0
        for (y in 0 until a.height) {
            for (x in 0 until a.width) {
                val (p, q) = a.getPixel(x, y) to b.getPixel(x, y)
                for (c in listOf(Color.red(p) - Color.red(q), Color.green(p) - Color.green(q), Color.blue(p) - Color.blue(q))) sum += c * c
            }
        }
        return 10 * Math.log10(255.0 * 255 * 3 * a.width * a.height / sum)
    }

    /** The phone's store of pictures, as far as the app asks it. */
    class Store : ContentProvider() {
        val files = HashMap<Long, File>()
        val values = HashMap<Long, ContentValues>()
        var full = false

        override fun onCreate() = true

        override fun insert(uri: Uri, told: ContentValues?): Uri {
            val id = files.size + 1L
            files[id] = File.createTempFile("store", ".jpg")
            values[id] = ContentValues(told)
            return android.content.ContentUris.withAppendedId(uri, id)
        }

        override fun openFile(uri: Uri, mode: String): ParcelFileDescriptor {
            if (full) throw java.io.FileNotFoundException("ENOSPC (No space left on device)")
            return ParcelFileDescriptor.open(files.getValue(android.content.ContentUris.parseId(uri)), ParcelFileDescriptor.parseMode(mode))
        }

        override fun update(uri: Uri, told: ContentValues?, where: String?, words: Array<String>?): Int {
            values.getValue(android.content.ContentUris.parseId(uri)).putAll(told)
            return 1
        }

        override fun delete(uri: Uri, where: String?, words: Array<String>?): Int {
            files.remove(android.content.ContentUris.parseId(uri))
            return 1
        }

        override fun getType(uri: Uri) = "image/jpeg"

        override fun query(uri: Uri, columns: Array<String>?, where: String?, words: Array<String>?, order: String?): Cursor? = null
    }
}
