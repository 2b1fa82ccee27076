package org.relight.core

/**
 * How far each pixel of a part belongs to people: a small soft mask that follows the photo's own edges.
 *
 * Source: He and Sun, "Fast Guided Filter", 2015.
 *
 * @param small the part made small, as ARGB of the size of `mask`.
 */
class PersonMask(small: IntArray, mask: Plane, private val place: Place) : Mask {
    private val width = mask.width
    private val height = mask.height
    private val models = linearModels(small, mask)

    override fun row(y: Int, left: Int, count: Int, pixels: IntArray, scale: Scale, result: FloatArray) {
        val down = (((y + 0.5) * scale.y - place.top) * height / place.height - 0.5).coerceIn(0.0, height - 1.0)
        val above = down.toInt() * width
        val below = minOf(down.toInt() + 1, height - 1) * width
        val share = (down - down.toInt()).toFloat()
        for (i in 0 until count) {
            val across = (((left + i + 0.5) * scale.x - place.left) * width / place.width - 0.5).coerceIn(0.0, width - 1.0)
            val first = across.toInt()
            val second = minOf(first + 1, width - 1)
            val part = (across - first).toFloat()
            val at = { plane: FloatArray ->
                val upper = plane[above + first] * (1 - part) + plane[above + second] * part
                val lower = plane[below + first] * (1 - part) + plane[below + second] * part
                upper + share * (lower - upper)
            }
            val pixel = pixels[left + i]
            val value =
                at(models[3]) +
                    (at(models[0]) * Argb.red(pixel) + at(models[1]) * Argb.green(pixel) + at(models[2]) * Argb.blue(pixel)) /
                    WHITE
            // Steeper than the filter left it, so that the inside is 1 and the background 0.
            result[i] = ((value - 0.5f) * STEEPER + 0.5f).coerceIn(0f, 1f)
        }
    }

    private companion object {
        const val REACH = 6
        const val EVENNESS = 1e-4f
        const val STEEPER = 1.25f
        const val WHITE = 255f

        fun mean(plane: Plane): Plane = Planes.box(plane, REACH, mirrored = true)

        /** The mean of a product less the product of the means. */
        fun common(a: Plane, b: Plane, meanA: Plane, meanB: Plane): FloatArray {
            val product = mean(a.mapped { a.values[it] * b.values[it] })
            return FloatArray(product.values.size) { product.values[it] - meanA.values[it] * meanB.values[it] }
        }

        /** Three slopes and an offset of the mask against the colours around each pixel. */
        fun linearModels(small: IntArray, mask: Plane): List<FloatArray> {
            val guide =
                listOf<(Int) -> Int>(Argb::red, Argb::green, Argb::blue).map { channel ->
                    mask.mapped { channel(small[it]) / WHITE }
                }
            val means = guide.map(::mean)
            val meanMask = mean(mask)
            val covariance = List(3) { common(guide[it], mask, means[it], meanMask) }
            val spread = List(3) { i -> List(3) { j -> if (j < i) null else common(guide[i], guide[j], means[i], means[j]) } }
            val slopes = List(3) { FloatArray(small.size) }
            val offset = FloatArray(small.size)
            for (i in small.indices) {
                val a = spread[0][0]!![i] + EVENNESS
                val d = spread[1][1]!![i] + EVENNESS
                val f = spread[2][2]!![i] + EVENNESS
                val b = spread[0][1]!![i]
                val c = spread[0][2]!![i]
                val e = spread[1][2]!![i]
                val (p, q, r) = List(3) { covariance[it][i] }
                val x = d * f - e * e
                val y = c * e - b * f
                val z = b * e - c * d
                val determinant = a * x + b * y + c * z
                slopes[0][i] = (x * p + y * q + z * r) / determinant
                slopes[1][i] = (y * p + (a * f - c * c) * q + (b * c - a * e) * r) / determinant
                slopes[2][i] = (z * p + (b * c - a * e) * q + (a * d - b * b) * r) / determinant
                offset[i] = meanMask.values[i] - (0..2).sumOf { (slopes[it][i] * means[it].values[i]).toDouble() }.toFloat()
            }
            return (slopes + listOf(offset)).map { mean(Plane(mask.width, mask.height, it)).values }
        }
    }
}
