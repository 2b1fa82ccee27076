package org.relight.core

import kotlin.math.ceil
import kotlin.math.max
import kotlin.math.min

/** A picture whose pixels (ARGB) are read a row at a time, so that large ones need not be held twice. */
interface Picture {
    val width: Int
    val height: Int

    /** Where a picture that is drawn under one light after another keeps what is the same under all. */
    val kept: KeptRows? get() = null

    fun row(y: Int, into: IntArray)
}

/** Rows of numbers, each filled once. */
class KeptRows {
    private val rows = HashMap<Any, Array<FloatArray?>>()

    /** Row `y` of `height` under a key, `count` numbers. */
    fun row(key: Any, y: Int, height: Int, count: Int, fill: (FloatArray) -> Unit): FloatArray {
        val known = rows.getOrPut(key) { arrayOfNulls(height) }
        return known[y] ?: FloatArray(count).also(fill).also { known[y] = it }
    }
}

/** How far pixels belong to people. `scale` is how many pixels of the photo one of the rows' picture stands for. */
interface Mask {
    fun row(y: Int, left: Int, count: Int, pixels: IntArray, scale: Scale, result: FloatArray)
}

/** Pixels of the photo for one of a smaller copy. */
class Scale(val x: Double, val y: Double)

/** What is asked: a null kelvin leaves the light its own colour. */
class Wish(val light: Light, val strength: Float = 1f, val kelvin: Double? = null, val keepBackground: Boolean = false)

/** Thrown by a `pause` to end work that nobody wants any more. */
class Outdated : RuntimeException()

/** A photo of people made ready for any number of lights; see tf_relight/relighting/portraits.py. */
class Portrait(
    private val picture: Picture,
    val faces: List<Face>,
    private val full: Network,
    private val quick: Network?,
    maskOf: (Place) -> Mask,
) {
    /** A part's lightness at a network's size, what the network sees of it, and what is known under its own light. */
    private class Input(val before: Plane, val network: Network, turn: Double) {
        val seen = Turning.turned(Squares.of(before, max(before.width, before.height)), -turn)
        var inOwnLight: Plane? = null
        var people: Plane? = null
        var fitter: Transfer.Fitter? = null
    }

    private class Part(val place: Place, val mask: Mask?, val full: Input, val quick: Input, val light: DoubleArray)

    private val parts =
        Places.of(picture.width, picture.height, faces).map { place ->
            val input = Input(inputOf(place, full.side), full, place.turn)
            val small = quick?.let { Input(smaller(input.before, place, it.side), it, place.turn) } ?: input
            val light = full.run(input.seen, FloatArray(Harmonics.COEFFICIENTS)).light
            Part(place, if (faces.isEmpty()) null else maskOf(place), input, small, DoubleArray(light.size) { light[it].toDouble() })
        }

    /** What a light changes, part by part; quickly while a light moves, else in full. */
    fun changes(light: Light, quickly: Boolean = false): List<Change> =
        parts.map { part ->
            val input = if (quickly) part.quick else part.full
            val after = drawn(part, input, light)
            val known = input.fitter
            if (quickly && known != null) {
                known.fit(after)
            } else {
                // To measure how soft the network draws takes most of the time, and it hardly changes with the light.
                val fitter = Transfer.Fitter(input.before, Transfer.measureSoftness(input.before, after))
                if (quickly) input.fitter = fitter
                fitter.fit(after)
            }
        }

    /** Lightness under a light: what differs between the network's answers to it and to the photo's own. */
    private fun drawn(part: Part, input: Input, light: Light): Plane {
        val turn = part.place.turn
        val asked = light.turned(-turn).exposed(part.light)
        val own = input.inOwnLight ?: input.network.run(input.seen, asked.own).relit.also { input.inOwnLight = it }
        val relit = input.network.run(input.seen, asked.numbers).relit
        val gain = gainOf(part, input, asked.gain)
        val foot = Transfer.FOOT
        val seen = Turning.turned(relit.mapped { (relit.values[it] + foot) / (own.values[it] + foot) }, turn)
        val change = Squares.cut(seen, input.before.width, input.before.height)
        return withoutWeave(input.before, change.mapped { gain(it) * change.values[it] })
    }

    /** The factor of the exposure, which people get and what is behind them does not. */
    private fun gainOf(part: Part, input: Input, gain: Double): (Int) -> Float {
        val mask = part.mask
        if (mask == null || gain == 1.0 || !part.place.whole) return { gain.toFloat() }
        val people = input.people ?: smallMask(mask, input.before).also { input.people = it }
        return { 1 + (gain - 1).toFloat() * people.values[it] }
    }

    private fun smallMask(mask: Mask, like: Plane): Plane {
        val size = picture.width to picture.height
        val small = min(like.width, size.first) to min(like.height, size.second)
        val pixels = IntArray(size.first)
        val line = FloatArray(size.first)
        val shrunk =
            Planes.shrinkRows(size, small) { y ->
                picture.row(y, pixels)
                mask.row(y, 0, size.first, pixels, Scale(1.0, 1.0), line)
                line
            }
        return Planes.resize(shrunk, like.width, like.height)
    }

    /** The lightness of a part at a network's size. */
    private fun inputOf(place: Place, side: Int): Plane {
        val (width, height) = Places.sizeForNetwork(place.width, place.height, side)
        val small = min(width, place.width) to min(height, place.height)
        val pixels = IntArray(picture.width)
        val line = FloatArray(place.width)
        val shrunk =
            Planes.shrinkRows(place.width to place.height, small) { y ->
                picture.row(place.top + y, pixels)
                Lightness.row(pixels, place.left, place.width, line)
                line
            }
        return Planes.resize(shrunk, width, height)
    }

    private fun smaller(before: Plane, place: Place, side: Int): Plane {
        val (width, height) = Places.sizeForNetwork(place.width, place.height, side)
        return Planes.resize(before, width, height)
    }

    /**
     * Relight a picture of the photo's shape, all of it or a smaller copy, and give each row to `put`; `pause` is
     * called now and then with the share that is done, and may throw [Outdated]. `lookedAt` pixels along the long
     * side are enough to tell the light's colour.
     */
    fun render(
        target: Picture,
        changes: List<Change>,
        wish: Wish,
        lookedAt: Int = LOOKED_AT,
        pause: (Float) -> Unit = {},
        put: (Int, IntArray) -> Unit,
    ) {
        val tint = if (wish.light.hasColour(wish.kelvin)) tint(target, changes, wish, lookedAt) else null
        val rows = Rows(target, changes, wish)
        for (y in 0 until target.height) {
            rows.go(y)
            Lightness.relight(rows.pixels, target.width, rows.after, rows.reach, tint)
            put(y, rows.pixels)
            if (y % STRIP == STRIP - 1) pause(y.toFloat() / target.height)
        }
    }

    private fun tint(target: Picture, changes: List<Change>, wish: Wish, lookedAt: Int): Tint {
        val step = max(1, max(target.width, target.height) / lookedAt)
        val across = (target.width + step - 1) / step
        val before = FloatArray(across * ((target.height + step - 1) / step))
        val after = FloatArray(before.size)
        val rows = Rows(target, changes, wish)
        var at = 0
        for (y in 0 until target.height step step) {
            rows.go(y)
            for (x in 0 until target.width step step) {
                before[at] = rows.before[x]
                after[at++] = rows.after[x]
            }
        }
        return Tint.of(wish.light.colours(wish.kelvin), before, after)
    }

    /** New lightness and reach of the rows of a picture, one at a time. */
    private inner class Rows(private val target: Picture, changes: List<Change>, private val wish: Wish) {
        val pixels = IntArray(target.width)
        var before = FloatArray(target.width)
        val after = FloatArray(target.width)
        val reach = FloatArray(target.width)
        private val change = FloatArray(target.width)
        private val scale = Scale(picture.width.toDouble() / target.width, picture.height.toDouble() / target.height)
        private val laid = parts.mapIndexed { i, part -> LaidPart(part, changes[i], target, scale) }
        private val person = if (wish.keepBackground && parts[0].place.whole) parts[0].mask else null

        fun go(y: Int) {
            target.row(y, pixels)
            before = kept(target, LIGHTNESS, y, before) { Lightness.row(pixels, 0, target.width, it) }
            change.fill(0f)
            reach.fill(0f)
            for (part in laid) part.add(y, pixels, before, change, reach)
            val people = person?.let { mask -> kept(target, mask, y, null) { mask.row(y, 0, target.width, pixels, scale, it) } }
            for (x in before.indices) {
                val mean = change[x] / max(reach[x], 1e-6f)
                reach[x] = min(reach[x], 1f) * wish.strength * if (people == null) 1f else people[x]
                after[x] = before[x] + reach[x] * mean
            }
        }
    }

    /** A part as it lies on a target picture. */
    private class LaidPart(private val part: Part, change: Change, private val target: Picture, private val scale: Scale) {
        private val place = part.place
        private val firstX = max(0, ceil(place.left / scale.x - 0.5).toInt())
        private val firstY = max(0, ceil(place.top / scale.y - 0.5).toInt())
        private val lastY = ceil((place.top + place.height) / scale.y - 0.5).toInt()
        private val count = max(0, min(ceil((place.left + place.width) / scale.x - 0.5).toInt(), target.width) - firstX)
        private val slicer =
            Slicer(
                change,
                count,
                laid(change.width, place.width, place.left, firstX, scale.x),
                laid(change.height, place.height, place.top, 0, scale.y),
            )
        private val ramp = FloatArray(count) { place.across.ramp((firstX + it + 0.5) * scale.x) }
        private val old = FloatArray(count)
        private val shown = FloatArray(count)
        private val everywhere = FloatArray(count) { 1f }

        fun add(y: Int, pixels: IntArray, before: FloatArray, change: FloatArray, reach: FloatArray) {
            if (y < firstY || y >= lastY || count == 0) return
            before.copyInto(old, 0, firstX, firstX + count)
            slicer.row(y, old, old, shown)
            val down = if (place.whole) 1f else place.down.ramp((y + 0.5) * scale.y)
            val mask = if (place.whole) everywhere else part.mask?.let { people(it, y, pixels) } ?: everywhere
            for (x in 0 until count) {
                val weight = if (place.whole) 1f else ramp[x] * down * mask[x]
                change[firstX + x] += weight * (shown[x].coerceIn(0f, 1f) - old[x])
                reach[firstX + x] += weight
            }
        }

        private fun people(mask: Mask, y: Int, pixels: IntArray) =
            kept(target, mask, y, null, count) { mask.row(y, firstX, count, pixels, scale, it) }

        private fun laid(size: Int, whole: Int, start: Int, at: Int, step: Double) =
            Laid(step * size / whole, (at * step - start) * size / whole)
    }

    companion object {
        private const val WEAVE = 1.0 / 128
        private const val EVENNESS = 1e-3f
        private const val STRIP = 64
        private const val LIGHTNESS = "lightness"
        const val LOOKED_AT = 512

        /** A row that is filled once where the target keeps such rows; else `line`, or a new one, is filled. */
        private fun kept(
            target: Picture,
            key: Any,
            y: Int,
            line: FloatArray?,
            count: Int = target.width,
            fill: (FloatArray) -> Unit,
        ): FloatArray = target.kept?.row(key, y, target.height, count, fill) ?: (line ?: FloatArray(count)).also(fill)

        /** What the network drew without its fine weave: the ratio smoothed along the edges of `before`. */
        fun withoutWeave(before: Plane, ratio: Plane): Plane {
            val reach = max(1, Math.rint(WEAVE * max(before.width, before.height)).toInt())
            val mean = { plane: Plane -> Planes.box(plane, reach) }
            val meanBefore = mean(before)
            val meanRatio = mean(ratio)
            val products = mean(before.mapped { before.values[it] * ratio.values[it] })
            val squares = mean(before.mapped { before.values[it] * before.values[it] })
            val slope =
                before.mapped {
                    (products.values[it] - meanBefore.values[it] * meanRatio.values[it]) /
                        (squares.values[it] - meanBefore.values[it] * meanBefore.values[it] + EVENNESS)
                }
            val offset = mean(before.mapped { meanRatio.values[it] - slope.values[it] * meanBefore.values[it] })
            val smooth = mean(slope)
            val foot = Transfer.FOOT
            return before.mapped {
                val factor = smooth.values[it] * before.values[it] + offset.values[it]
                (factor * (before.values[it] + foot) - foot).coerceIn(0f, 1f)
            }
        }
    }
}
