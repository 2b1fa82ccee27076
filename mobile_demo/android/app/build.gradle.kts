plugins {
    alias(libs.plugins.android.application)
    alias(libs.plugins.kotlin.android)
}

android {
    namespace = "org.relight.app"
    compileSdk = 36

    defaultConfig {
        applicationId = "org.relight.app"
        minSdk = 26
        targetSdk = 34
        versionCode = 1
        versionName = "0.1.0"
    }

    buildTypes {
        release {
            isMinifyEnabled = true
            proguardFiles("proguard-rules.pro")
        }
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }

    sourceSets {
        getByName("main").kotlin.srcDir("src/main/kotlin")
        // The tests run by build.py, which has the runtime's own library for the JVM.
        getByName("test").kotlin.setSrcDirs(emptyList<String>())
    }

    // Networks are mapped into memory from the package.
    androidResources { noCompress += "tflite" }
}

dependencies {
    implementation(project(":core"))
    implementation(libs.litert)
}
