package org.relight.app

import android.content.Context
import android.hardware.Sensor
import android.hardware.SensorEvent
import android.hardware.SensorEventListener
import android.hardware.SensorManager
import org.relight.core.Angles
import org.relight.core.Light
import kotlin.math.abs

/** The tilt of the phone as a light: a lamp that stays where it is in the room while the phone turns. */
class Tilt(context: Context, private val onLamp: (Angles) -> Unit) : SensorEventListener {
    private val sensors = context.getSystemService(SensorManager::class.java)
    private var first: FloatArray? = null
    private var last = Angles(0.0, 0.0)
    private var start = Angles(0.0, 0.0)

    /** Begin to follow, from a lamp on; returns false where the phone has no such sensor. */
    fun follow(lamp: Angles): Boolean {
        val sensor =
            sensors.getDefaultSensor(Sensor.TYPE_GAME_ROTATION_VECTOR)
                ?: sensors.getDefaultSensor(Sensor.TYPE_ROTATION_VECTOR)
                ?: return false
        first = null
        start = lamp
        last = lamp
        return sensors.registerListener(this, sensor, SensorManager.SENSOR_DELAY_UI)
    }

    fun stop() = sensors.unregisterListener(this)

    override fun onSensorChanged(event: SensorEvent) = onRotation(event.values)

    /** The rotation vector of the phone; the lamp moves against what changed since the first one. */
    fun onRotation(vector: FloatArray) {
        val now = FloatArray(9).also { SensorManager.getRotationMatrixFromVector(it, vector) }
        val then = first ?: now.also { first = it }
        val (x, y, z) = Light.direction(start)
        // Frame of the phone: x right, y up, z out of the screen; of lights: y into the picture, z up.
        val lamp = floatArrayOf(x.toFloat(), z.toFloat(), -y.toFloat())
        val room = FloatArray(3) { row -> (0..2).sumOf { (then[3 * row + it] * lamp[it]).toDouble() }.toFloat() }
        val seen = FloatArray(3) { column -> (0..2).sumOf { (now[3 * it + column] * room[it]).toDouble() }.toFloat() }
        val angles = Light.anglesOf(doubleArrayOf(seen[0].toDouble(), -seen[2].toDouble(), seen[1].toDouble()))
        if (abs(angles.azimuth - last.azimuth) + abs(angles.elevation - last.elevation) < LEAST) return
        last = angles
        onLamp(angles)
    }

    override fun onAccuracyChanged(sensor: Sensor?, accuracy: Int) = Unit

    private companion object {
        /** Degrees that are worth a new picture. */
        const val LEAST = 2.0
    }
}
