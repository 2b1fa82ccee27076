import com.googlecode.d2j.dex.Dex2jar
import java.nio.file.Path

/** The classes of a classes.dex as a jar: FromDexKt CLASSES.dex OUT.jar */
fun main(words: Array<String>) {
    Dex2jar.from(Path.of(words[0]).toFile()).to(Path.of(words[1]))
}
