package org.relight.app

import android.Manifest
import android.app.Activity
import android.content.ActivityNotFoundException
import android.content.Intent
import android.content.pm.PackageManager
import android.graphics.Bitmap
import android.net.Uri
import android.os.Build
import android.os.Bundle
import android.os.Handler
import android.os.Looper
import android.provider.MediaStore
import android.view.View
import android.widget.AdapterView
import android.widget.ArrayAdapter
import android.widget.Button
import android.widget.CheckBox
import android.widget.ProgressBar
import android.widget.SeekBar
import android.widget.Spinner
import android.widget.Switch
import android.widget.TextView
import org.relight.core.Angles
import org.relight.core.Face
import org.relight.core.Light
import org.relight.core.Wish
import java.io.FileNotFoundException
import java.util.Locale
import kotlin.math.abs
import kotlin.math.roundToInt

/** The one screen: a photo, and the lamp around it. */
class MainActivity : Activity(), StudioListener {
    internal lateinit var studio: Studio
    internal var settings = Settings()
        private set
    private lateinit var photoView: PhotoView
    private lateinit var ball: BallView
    private lateinit var preset: Spinner
    private lateinit var tiltSwitch: Switch
    private lateinit var status: TextView
    private val tilt by lazy { Tilt(this) { move(it) } }
    private val main = Handler(Looper.getMainLooper())
    private val rest = Runnable { full() }
    private var photoUri: Uri? = null
    private var cameraUri: Uri? = null
    private var faces: List<Face>? = null
    private var size = 0 to 0
    private var notes = ""
    private var afterPermission: (() -> Unit)? = null

    // -- Life --------------------------------------------------------------------------------------------------

    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        setContentView(R.layout.main)
        LargeText.makeRoom(this)
        photoView = findViewById(R.id.photo)
        ball = findViewById(R.id.ball)
        preset = findViewById(R.id.preset)
        tiltSwitch = findViewById(R.id.tilt)
        status = findViewById(R.id.status)
        state?.let {
            settings = Settings.from(it)
            @Suppress("DEPRECATION")
            photoUri = it.getParcelable(PHOTO)
            @Suppress("DEPRECATION")
            cameraUri = it.getParcelable(CAMERA)
        }
        val kept = lastKept()
        studio = kept?.studio ?: Studio(applicationContext)
        listen()
        showSettings()
        studio.listener = this
        when {
            kept != null -> restore(kept)
            photoUri != null -> start { load(photoUri!!) }
            intent?.action == Intent.ACTION_SEND -> start { sent(intent)?.let(::load) }
            else -> start {}
        }
    }

    private fun lastKept(): Kept? {
        @Suppress("DEPRECATION")
        return lastNonConfigurationInstance as? Kept
    }

    private fun start(then: () -> Unit) {
        say(getString(R.string.starting))
        studio.start()
        then()
    }

    /** What outlives the Activity when the phone is turned. */
    private class Kept(
        val studio: Studio,
        val before: Bitmap?,
        val after: Bitmap?,
        val faces: List<Face>?,
        val size: Pair<Int, Int>,
        val status: String,
    )

    @Deprecated("The framework's only way to keep an object; fragments and view models are of androidx.")
    override fun onRetainNonConfigurationInstance(): Any =
        Kept(studio, photoView.before, photoView.after, faces, size, status.text.toString())

    private fun restore(kept: Kept) {
        faces = kept.faces
        size = kept.size
        kept.before?.let { photoView.before = it }
        kept.after?.let { photoView.after = it }
        findViewById<View>(R.id.welcome).visibility = if (kept.before == null) View.VISIBLE else View.GONE
        say(kept.status)
        setSavable(studio.result != null)
        // A result that was under way may have been told to the Activity before.
        if (kept.before != null && studio.result == null) full()
    }

    override fun onSaveInstanceState(state: Bundle) {
        super.onSaveInstanceState(state)
        settings.into(state)
        state.putParcelable(PHOTO, photoUri)
        state.putParcelable(CAMERA, cameraUri)
    }

    override fun onPause() {
        tilt.stop()
        super.onPause()
    }

    override fun onResume() {
        super.onResume()
        if (tiltSwitch.isChecked) followTilt(true)
    }

    override fun onDestroy() {
        main.removeCallbacks(rest)
        if (studio.listener === this) studio.listener = null
        if (!isChangingConfigurations) studio.close()
        super.onDestroy()
    }

    // -- What the user does ------------------------------------------------------------------------------------

    private fun listen() {
        findViewById<Button>(R.id.open).setOnClickListener { choose() }
        findViewById<Button>(R.id.camera).setOnClickListener { withStorage(::shoot) }
        findViewById<Button>(R.id.save).setOnClickListener { withStorage { save {} } }
        findViewById<Button>(R.id.share).setOnClickListener { withStorage { save(::share) } }
        ball.onLamp = { angles, done -> move(angles, done) }
        val names = listOf(getString(R.string.own_light)) + resources.getStringArray(R.array.presets)
        preset.adapter =
            ArrayAdapter(this, android.R.layout.simple_spinner_item, names).apply {
                setDropDownViewResource(android.R.layout.simple_spinner_dropdown_item)
            }
        preset.setSelection(presetPlace())
        preset.onItemSelectedListener =
            object : AdapterView.OnItemSelectedListener {
                override fun onItemSelected(parent: AdapterView<*>?, view: View?, place: Int, id: Long) {
                    if (place !=
                        presetPlace()
                    ) {
                        take(if (place == 0) settings.copy(preset = null) else settings.with(Light.PRESETS[place - 1]))
                    }
                }

                override fun onNothingSelected(parent: AdapterView<*>?) = Unit
            }
        slider(R.id.softness) { settings.copy(softness = it / SLIDER, preset = null) }
        slider(R.id.colour) { settings.copy(kelvin = Settings.kelvinAt(it)) }
        slider(R.id.strength) { settings.copy(strength = (it / SLIDER).toFloat()) }
        findViewById<CheckBox>(R.id.keep).setOnClickListener {
            take(settings.copy(keepBackground = (it as CheckBox).isChecked))
        }
        tiltSwitch.setOnCheckedChangeListener { _, on -> followTilt(on) }
    }

    private fun slider(id: Int, made: (Int) -> Settings) {
        findViewById<SeekBar>(id).setOnSeekBarChangeListener(
            object : SeekBar.OnSeekBarChangeListener {
                override fun onProgressChanged(bar: SeekBar, value: Int, byUser: Boolean) {
                    if (byUser) take(made(value))
                }

                override fun onStartTrackingTouch(bar: SeekBar) = Unit

                override fun onStopTrackingTouch(bar: SeekBar) = Unit
            },
        )
    }

    /** Put the lamp somewhere; `done` when the finger is up. */
    internal fun move(angles: Angles, done: Boolean = false) {
        val softness = if (settings.preset == null) settings.softness else Light.USUAL_SOFTNESS
        take(settings.copy(angles = angles, preset = null, softness = softness), if (done) 0 else REST)
    }

    private fun take(wanted: Settings, wait: Long = REST) {
        settings = wanted
        showSettings()
        if (faces == null) return
        setSavable(false)
        studio.preview(settings.wish(faces!!.isNotEmpty()))
        main.removeCallbacks(rest)
        main.postDelayed(rest, wait)
    }

    private fun full() {
        val known = faces ?: return
        studio.full(settings.wish(known.isNotEmpty()))
    }

    private fun followTilt(on: Boolean) {
        tilt.stop()
        if (on && !tilt.follow(settings.angles)) {
            tiltSwitch.isChecked = false
            complain(R.string.no_sensor)
        }
    }

    private fun choose() =
        go(OPEN, Intent(Intent.ACTION_OPEN_DOCUMENT).addCategory(Intent.CATEGORY_OPENABLE).setType("image/*"))

    private fun shoot() {
        try {
            val uri = Photos.insert(contentResolver, "image/jpeg", "photo-${System.currentTimeMillis()}.jpg")
            cameraUri = uri
            val intent = Intent(MediaStore.ACTION_IMAGE_CAPTURE).putExtra(MediaStore.EXTRA_OUTPUT, uri)
            go(SHOOT, intent.addFlags(Intent.FLAG_GRANT_WRITE_URI_PERMISSION or Intent.FLAG_GRANT_READ_URI_PERMISSION))
        } catch (_: NotSaved) {
            complain(R.string.not_saved)
        }
    }

    private fun go(code: Int, intent: Intent) {
        try {
            startActivityForResult(intent, code)
        } catch (_: ActivityNotFoundException) {
            complain(R.string.no_app)
        }
    }

    override fun onActivityResult(code: Int, result: Int, data: Intent?) {
        val uri = if (code == SHOOT) cameraUri else data?.data
        if (result == RESULT_OK && uri != null) load(uri)
        if (code == SHOOT && result != RESULT_OK && uri != null) contentResolver.delete(uri, null, null)
    }

    override fun onNewIntent(intent: Intent) {
        super.onNewIntent(intent)
        if (intent.action == Intent.ACTION_SEND) sent(intent)?.let(::load)
    }

    private fun sent(intent: Intent): Uri? {
        @Suppress("DEPRECATION")
        return intent.getParcelableExtra(Intent.EXTRA_STREAM)
    }

    internal fun load(uri: Uri) {
        photoUri = uri
        main.removeCallbacks(rest)
        say(getString(R.string.opening))
        setSavable(false)
        studio.open { Photos.read(contentResolver, uri) }
    }

    private fun save(then: (Uri) -> Unit) {
        studio.withResult {
            val uri = Photos.save(contentResolver, it)
            runOnUiThread {
                say(getString(R.string.saved))
                then(uri)
            }
        }
    }

    private fun share(uri: Uri) {
        val intent =
            Intent(Intent.ACTION_SEND).setType(contentResolver.getType(uri) ?: "image/*").putExtra(Intent.EXTRA_STREAM, uri)
                .addFlags(Intent.FLAG_GRANT_READ_URI_PERMISSION)
        startActivity(Intent.createChooser(intent, getString(R.string.share)))
    }

    /** Older Android asks before pictures may be saved. */
    private fun withStorage(work: () -> Unit) {
        val needed = Build.VERSION.SDK_INT < Build.VERSION_CODES.Q
        val permission = Manifest.permission.WRITE_EXTERNAL_STORAGE
        if (!needed || checkSelfPermission(permission) == PackageManager.PERMISSION_GRANTED) {
            work()
            return
        }
        afterPermission = work
        requestPermissions(arrayOf(permission), STORAGE)
    }

    override fun onRequestPermissionsResult(code: Int, permissions: Array<String>, results: IntArray) {
        val work = afterPermission
        afterPermission = null
        if (results.firstOrNull() == PackageManager.PERMISSION_GRANTED) work?.invoke() else complain(R.string.no_permission)
    }

    // -- What the studio says ----------------------------------------------------------------------------------

    override fun onReady(name: String, milliseconds: Long) =
        runOnUiThread { if (faces == null) say(getString(R.string.ready, name, milliseconds)) }

    override fun onOpened(before: Bitmap, width: Int, height: Int, faces: List<Face>, smaller: Boolean) =
        runOnUiThread {
            this.faces = faces
            size = width to height
            photoView.before = before
            findViewById<View>(R.id.welcome).visibility = View.GONE
            notes =
                listOfNotNull(
                    R.string.no_face.takeIf {
                        faces.isEmpty()
                    },
                    R.string.made_smaller.takeIf { smaller },
                ).joinToString("") { " ${getString(it)}" }
            showSettings()
            full()
        }

    override fun onPreview(picture: Bitmap) = runOnUiThread { photoView.after = picture }

    override fun onProgress(share: Float) =
        runOnUiThread {
            findViewById<ProgressBar>(R.id.progress).apply {
                visibility = View.VISIBLE
                progress = (share * max).toInt()
            }
        }

    override fun onResult(shown: Bitmap, seconds: Double) =
        runOnUiThread {
            findViewById<View>(R.id.progress).visibility = View.INVISIBLE
            photoView.after = shown
            setSavable(true)
            val told = String.format(Locale.getDefault(), "%.1f", seconds)
            say(getString(R.string.done, told, size.first, size.second) + notes)
        }

    override fun onFailed(error: Throwable) =
        runOnUiThread {
            findViewById<View>(R.id.progress).visibility = View.INVISIBLE
            complain(
                when (error) {
                    is FileNotFoundException -> R.string.not_there
                    is NotReadable -> R.string.not_readable
                    is NotSaved -> R.string.not_saved
                    is OutOfMemoryError -> R.string.no_memory
                    is BrokenNetwork -> R.string.broken_network
                    else -> throw error
                },
            )
        }

    // -- What is shown -----------------------------------------------------------------------------------------

    private fun say(words: String) {
        status.setTextColor(getColor(R.color.faint))
        status.text = words
    }

    private fun complain(sentence: Int) {
        status.setTextColor(getColor(R.color.wrong))
        status.text = getString(sentence)
    }

    private fun setSavable(on: Boolean) {
        for (id in listOf(R.id.save, R.id.share)) findViewById<View>(id).isEnabled = on
    }

    private fun presetPlace(): Int = Light.PRESETS.indexOfFirst { it.name == settings.preset } + 1

    private fun showSettings() {
        val words = where()
        ball.show(settings.light, settings.angles, words)
        findViewById<TextView>(R.id.where).text = words
        preset.setSelection(presetPlace())
        findViewById<SeekBar>(R.id.softness).progress = (settings.softness * SLIDER).roundToInt()
        findViewById<SeekBar>(R.id.strength).progress = (settings.strength * SLIDER).roundToInt()
        findViewById<SeekBar>(R.id.colour).progress = settings.kelvinPlace
        val own = settings.preset == null
        findViewById<TextView>(R.id.softness_value).text =
            if (own) getString(R.string.percent, (100 * settings.softness).roundToInt()) else getString(R.string.of_preset)
        findViewById<TextView>(R.id.strength_value).text = getString(R.string.percent, (100 * settings.strength).roundToInt())
        findViewById<TextView>(R.id.colour_value).text =
            settings.kelvin?.let { getString(R.string.kelvin, it.roundToInt()) }
                ?: getString(if (own) R.string.neutral else R.string.of_preset)
        findViewById<CheckBox>(R.id.keep).apply {
            isChecked = settings.keepBackground
            isEnabled = faces?.isNotEmpty() ?: true
        }
    }

    private fun where(): String {
        val (azimuth, elevation) = settings.angles
        val height = elevation.roundToInt()
        val side = resources.getStringArray(R.array.sides)[(azimuth / 45).roundToInt().mod(8)]
        return when {
            settings.preset == "ambient" -> getString(R.string.even)
            height > STEEP -> getString(R.string.above)
            height < -STEEP -> getString(R.string.below)
            abs(height) < LEVEL -> side
            else -> getString(if (height > 0) R.string.up else R.string.down, side, abs(height))
        }
    }

    private companion object {
        const val OPEN = 1
        const val SHOOT = 2
        const val STORAGE = 3
        const val PHOTO = "photo"
        const val CAMERA = "camera"
        const val SLIDER = 20.0
        const val STEEP = 75
        const val LEVEL = 10

        /** Milliseconds after the last change until the full-size result is made. */
        const val REST = 350L
    }
}
