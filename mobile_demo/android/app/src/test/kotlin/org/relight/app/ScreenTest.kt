package org.relight.app

import android.graphics.Color
import android.graphics.drawable.BitmapDrawable
import android.view.MotionEvent
import android.view.View
import android.view.ViewGroup
import android.widget.Button
import android.widget.TextView
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertSame
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.annotation.Config
import org.robolectric.annotation.GraphicsMode

/** The screen drawn for phones and tablets, by day and night, in both languages, with large text. */
@RunWith(RobolectricTestRunner::class)
@Config(sdk = [34])
@GraphicsMode(GraphicsMode.Mode.NATIVE)
class ScreenTest {
    private fun shot(name: String, photo: Boolean = true): MainActivity {
        val activity = Robolectric.buildActivity(MainActivity::class.java).setup().get()
        if (photo) activity.open("photo.jpg", example()) else activity.settle()
        shoot(activity, name)
        assertFits(activity.window.decorView)
        return activity
    }

    /** No text is cut off, no word is broken, and everything that is touched is large enough and has a name. */
    private fun assertFits(view: View) {
        if (view is ViewGroup) for (i in 0 until view.childCount) assertFits(view.getChildAt(i))
        if (!view.isShown) return
        if (view is TextView && view.layout != null) {
            for (line in 0 until view.layout.lineCount - 1) {
                val last = view.text[view.layout.getLineEnd(line) - 1]
                assertTrue("a word of ${view.text} is broken", last.isWhitespace() || last == '-')
            }
            for (line in 0 until view.layout.lineCount) assertEquals("${view.text} is cut off", 0, view.layout.getEllipsisCount(line))
            assertTrue("${view.text} is too wide", view.layout.height <= view.height || view.height == 0)
        }
        if (view.isClickable && view.id != View.NO_ID && view !is ViewGroup) {
            val least = (47 * view.resources.displayMetrics.density).toInt()
            assertTrue("${view.resources.getResourceEntryName(view.id)} is too small", view.height >= least)
            val words = view.contentDescription ?: (view as? TextView)?.text
            assertTrue("${view.resources.getResourceEntryName(view.id)} has no name", !words.isNullOrBlank())
        }
    }

    @Test
    @Config(qualifiers = "w411dp-h731dp-port-xhdpi")
    fun `a phone by day, and the photo as it was while it is held`() {
        val activity = shot("phone")
        val photo = activity.findViewById<PhotoView>(R.id.photo)
        val shown = { (photo.drawable as BitmapDrawable).bitmap }
        assertSame(photo.after, shown())
        photo.performLongClick()
        assertTrue(photo.held)
        assertSame(photo.before, shown())
        shoot(activity, "phone-held")
        photo.dispatchTouchEvent(MotionEvent.obtain(0, 0, MotionEvent.ACTION_UP, 5f, 5f, 0))
        assertFalse(photo.held)
        assertSame(photo.after, shown())
    }

    @Test
    @Config(qualifiers = "w411dp-h731dp-port-xhdpi")
    fun `a phone before a photo is opened`() {
        shot("phone-welcome", photo = false)
    }

    @Test
    @Config(qualifiers = "de-w411dp-h731dp-port-night-xhdpi")
    fun `a phone by night in German`() {
        val activity = shot("phone-german-night")
        assertEquals("Foto öffnen", activity.findViewById<Button>(R.id.open).text.toString())
        assertTrue(activity.status(), activity.status().startsWith("Fertig in"))
        assertTrue(Color.luminance(activity.getColor(R.color.paper)) < 0.1)
    }

    @Test
    @Config(qualifiers = "w731dp-h411dp-land-xhdpi")
    fun `a phone on its side`() {
        shot("phone-landscape")
    }

    @Test
    @Config(qualifiers = "de-sw800dp-w800dp-h1280dp-port-hdpi")
    fun `a tablet in German`() {
        shot("tablet-german")
    }

    @Test
    @Config(qualifiers = "sw800dp-w1280dp-h800dp-land-night-hdpi")
    fun `a tablet on its side by night`() {
        shot("tablet-landscape-night")
    }

    @Test
    @Config(qualifiers = "w411dp-h731dp-port-xhdpi")
    fun `text at 200 percent`() {
        RuntimeEnvironment.setFontScale(2f)
        shot("phone-large-text")
    }

    @Test
    @Config(qualifiers = "de-w360dp-h640dp-port-xhdpi")
    fun `German at 200 percent on a small phone`() {
        RuntimeEnvironment.setFontScale(2f)
        shot("small-phone-german-large-text")
    }
}
