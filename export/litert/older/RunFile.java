import java.io.File;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.tensorflow.lite.Interpreter;

/**
 * RunFile MODEL FOLDER: for each folder 0, 1, ... inside, runs the signature named in `signature` on the files
 * `NAME.in` (numbers as they lie in memory) and writes `NAME.out`.
 */
class RunFile {
    public static void main(String[] words) throws Exception {
        try (Interpreter network = new Interpreter(new File(words[0]), new Interpreter.Options().setNumThreads(2))) {
            for (int i = 0; Files.isDirectory(Path.of(words[1], "" + i)); i++) {
                Path place = Path.of(words[1], "" + i);
                String signature = Files.readString(place.resolve("signature"));
                Map<String, Object> inputs = new HashMap<>();
                for (String name : network.getSignatureInputs(signature)) {
                    inputs.put(name, memory(Files.readAllBytes(place.resolve(name + ".in"))));
                }
                Map<String, Object> outputs = new HashMap<>();
                for (String name : network.getSignatureOutputs(signature)) {
                    int size = network.getOutputTensorFromSignature(name, signature).numBytes();
                    outputs.put(name, memory(new byte[size]));
                }
                network.runSignature(inputs, outputs, signature);
                for (Map.Entry<String, Object> each : outputs.entrySet()) {
                    ByteBuffer values = (ByteBuffer) each.getValue();
                    values.rewind();
                    byte[] bytes = new byte[values.remaining()];
                    values.get(bytes);
                    Files.write(place.resolve(each.getKey() + ".out"), bytes);
                }
            }
        } catch (IllegalArgumentException | IllegalStateException refused) {
            System.out.println("REFUSED " + refused.getMessage());
            System.exit(3);
        }
    }

    private static ByteBuffer memory(byte[] values) {
        ByteBuffer made = ByteBuffer.allocateDirect(values.length).order(ByteOrder.nativeOrder());
        made.put(values).rewind();
        return made;
    }
}
