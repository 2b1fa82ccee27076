package org.relight.app

import android.os.Bundle
import org.relight.core.Angles
import org.relight.core.Light
import org.relight.core.Preset
import org.relight.core.Wish
import kotlin.math.abs
import kotlin.math.roundToInt

/** What the user has set; a null kelvin leaves the light its own colour. */
data class Settings(
    val angles: Angles = Angles(-35.0, 35.0),
    val preset: String? = "loop",
    val softness: Double = Light.USUAL_SOFTNESS,
    val kelvin: Double? = null,
    val strength: Float = 1f,
    val keepBackground: Boolean = false,
) {
    val light: Light by lazy { preset?.let(Light::fromPreset) ?: Light.fromDirection(angles, softness) }

    fun with(preset: Preset): Settings = copy(preset = preset.name, angles = Light.fromPreset(preset.name).angles)

    fun wish(people: Boolean): Wish = Wish(light, strength, kelvin, keepBackground && people)

    /** Where the slider of the colour stands, 0 cold to 100 warm. */
    val kelvinPlace: Int
        get() {
            val value = kelvin ?: return MIDDLE
            val end = if (value > Light.NEUTRAL_KELVIN) Light.COLDEST else WARM_END
            val share = (1 / value - 1 / Light.NEUTRAL_KELVIN) / (1 / end - 1 / Light.NEUTRAL_KELVIN)
            return (MIDDLE + if (value > Light.NEUTRAL_KELVIN) -share * MIDDLE else share * MIDDLE).roundToInt()
        }

    fun into(state: Bundle) {
        state.putDouble("azimuth", angles.azimuth)
        state.putDouble("elevation", angles.elevation)
        state.putString("preset", preset)
        state.putDouble("softness", softness)
        state.putDouble("kelvin", kelvin ?: 0.0)
        state.putFloat("strength", strength)
        state.putBoolean("keep", keepBackground)
    }

    companion object {
        private const val MIDDLE = 50
        private const val WARM_END = 1800.0

        fun from(state: Bundle): Settings =
            Settings(
                Angles(state.getDouble("azimuth"), state.getDouble("elevation")),
                state.getString("preset"),
                state.getDouble("softness"),
                state.getDouble("kelvin").takeIf { it > 0 },
                state.getFloat("strength"),
                state.getBoolean("keep"),
            )

        /** The slider runs over 1 / kelvin, which is even to the eye; its middle is neutral. */
        fun kelvinAt(place: Int): Double? {
            if (place == MIDDLE) return null
            val end = if (place < MIDDLE) Light.COLDEST else WARM_END
            val share = abs(place - MIDDLE) / MIDDLE.toDouble()
            val kelvin = 1 / (1 / Light.NEUTRAL_KELVIN + share * (1 / end - 1 / Light.NEUTRAL_KELVIN))
            return (kelvin / 10).roundToInt() * 10.0
        }
    }
}
