plugins {
    alias(libs.plugins.kotlin.jvm)
}

kotlin { jvmToolchain(17) }

dependencies {
    testImplementation(libs.junit)
    testImplementation(libs.json)
}

tasks.test { systemProperty("vectors", rootDir.resolve("../vectors")) }
