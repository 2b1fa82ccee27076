package org.relight.app

import android.app.Activity
import android.view.View
import android.view.ViewGroup.LayoutParams.MATCH_PARENT
import android.view.ViewGroup.LayoutParams.WRAP_CONTENT
import android.widget.LinearLayout

/** Where letters are large, words stand above their sliders, and buttons two by two, so that no word is broken. */
object LargeText {
    private const val LARGE = 1.3f
    private const val BUTTONS_A_LINE = 2

    fun makeRoom(activity: Activity) {
        if (activity.resources.configuration.fontScale < LARGE) return
        for (slider in listOf(R.id.softness, R.id.colour, R.id.strength)) stack(activity.findViewById<View>(slider).parent as LinearLayout)
        val bar = activity.findViewById<View>(R.id.open).parent as LinearLayout
        val buttons = List(bar.childCount, bar::getChildAt)
        bar.removeAllViews()
        bar.orientation = LinearLayout.VERTICAL
        for (some in buttons.chunked(BUTTONS_A_LINE)) {
            val line = LinearLayout(activity)
            some.forEach(line::addView)
            bar.addView(line, MATCH_PARENT, WRAP_CONTENT)
        }
    }

    private fun stack(row: LinearLayout) {
        row.orientation = LinearLayout.VERTICAL
        for (i in 0 until row.childCount) {
            val part = row.getChildAt(i)
            part.layoutParams = LinearLayout.LayoutParams(MATCH_PARENT, part.layoutParams.height)
        }
    }
}
