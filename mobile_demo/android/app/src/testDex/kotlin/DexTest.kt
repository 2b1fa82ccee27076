import android.app.Activity
import android.graphics.Bitmap
import android.graphics.Canvas
import android.view.MotionEvent
import android.view.View
import android.widget.TextView
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Config
import org.robolectric.annotation.GraphicsMode
import java.io.File
import java.io.FileOutputStream

/** The classes of the finished APK's own classes.dex, seen only as the system and a finger see them. */
@RunWith(RobolectricTestRunner::class)
@Config(sdk = [34], qualifiers = "w411dp-h731dp-port-xhdpi")
@GraphicsMode(GraphicsMode.Mode.NATIVE)
class DexTest {
    @Test
    fun `the app in the package starts its networks and follows a finger`() {
        @Suppress("UNCHECKED_CAST")
        val type = Class.forName("org.relight.app.MainActivity") as Class<Activity>
        assertTrue(type.classLoader!!.getResource("org/relight/app/MainActivity.class")!!.path.contains("from_dex.jar!"))
        val activity = Robolectric.buildActivity(type).setup().get()
        val view = { name: String -> activity.findViewById<View>(activity.resources.getIdentifier(name, "id", activity.packageName)) }
        val words = { name: String -> (view(name) as TextView).text.toString() }
        val end = System.nanoTime() + 120e9.toLong()
        while (!words("status").startsWith("Ready.") && System.nanoTime() < end) {
            Thread.sleep(50)
            shadowOf(android.os.Looper.getMainLooper()).idle()
        }
        println(words("status"))
        assertTrue(words("status"), words("status").startsWith("Ready. lit_unet_"))
        val ball = view("ball")
        for (action in listOf(MotionEvent.ACTION_DOWN, MotionEvent.ACTION_UP)) {
            ball.dispatchTouchEvent(MotionEvent.obtain(0, 0, action, ball.width * 0.87f, ball.height * 0.5f, 0))
        }
        assertEquals("From the right", words("where"))
        val root: View = activity.window.decorView
        val bitmap = Bitmap.createBitmap(root.width, root.height, Bitmap.Config.ARGB_8888).also { root.draw(Canvas(it)) }
        FileOutputStream(File(System.getProperty("screens"), "from-the-package.png")).use {
            bitmap.compress(Bitmap.CompressFormat.PNG, 100, it)
        }
    }
}
