import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** A Veracode-compatible platform for tests: {@code try (var platform = new Platform()) { … }}. */
public final class Platform implements AutoCloseable {
    static final String PROGRAM = System.getenv().getOrDefault("COUNTERSIGN_PROGRAM", "countersign");

    public final String url;
    public final Path caFile;
    public final String apiId;
    public final String apiSecret;
    final Path home;
    private final Path folder;
    private final Process process;

    public Platform() throws Exception {
        folder = Files.createTempDirectory("countersign");
        home = folder.resolve("home");
        Path ready = folder.resolve("ready.json");
        process = new ProcessBuilder(PROGRAM, "--home", home.toString(), "--quiet", "platform", "serve",
                "--listen", "127.0.0.1:0", "--console", "off", "--ready-file", ready.toString())
                .redirectError(ProcessBuilder.Redirect.INHERIT).start();
        try {
            for (int tries = 0; !Files.exists(ready); tries++) {
                if (!process.isAlive() || tries > 1200) {
                    throw new IOException("the platform did not start");
                }
                Thread.sleep(50);
            }
            String about = Files.readString(ready);
            url = member(about, "rest_url");
            caFile = Path.of(member(about, "ca_file"));
            String pair = mint("test", "resultsapi", "noteamrestrictionapi");
            apiId = member(pair, "api_id");
            apiSecret = member(pair, "api_secret");
        } catch (Exception error) {
            close();
            throw error;
        }
    }

    /** Another API account; JSON with its credentials. */
    public String mint(String user, String... roles) throws Exception {
        List<String> words = new ArrayList<>(List.of("platform", "mint", "--json", "--user", user));
        for (String role : roles) {
            words.addAll(List.of("--role", role));
        }
        return run(words.toArray(String[]::new));
    }

    /** What countersign prints, with the credentials in its environment. */
    String run(String... words) throws Exception {
        List<String> command = new ArrayList<>(List.of(PROGRAM, "--home", home.toString()));
        command.addAll(List.of(words));
        ProcessBuilder builder = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT);
        if (apiSecretIsKnown()) {
            builder.environment().put("VERACODE_API_KEY_ID", apiId);
            builder.environment().put("VERACODE_API_KEY_SECRET", apiSecret);
            builder.environment().put("VERACODE_OVERRIDE_API_BASE_URL", url);
        }
        Process child = builder.start();
        String printed = new String(child.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        if (child.waitFor() != 0) {
            throw new IOException("countersign ended with " + child.exitValue());
        }
        return printed;
    }

    private boolean apiSecretIsKnown() {
        return apiSecret != null;
    }

    /** TLS that trusts the platform's authority. */
    public SSLContext trust() throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null);
        try (InputStream pem = Files.newInputStream(caFile)) {
            store.setCertificateEntry("countersign", CertificateFactory.getInstance("X.509").generateCertificate(pem));
        }
        TrustManagerFactory managers = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        managers.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, managers.getTrustManagers(), null);
        return context;
    }

    /** Of a flat JSON object; a JSON library of yours does it as well. */
    static String member(String object, String name) {
        Matcher found = Pattern.compile("\"" + name + "\":\"([^\"\\\\]*)\"").matcher(object);
        if (!found.find()) {
            throw new IllegalStateException("there is no " + name);
        }
        return found.group(1);
    }

    @Override
    public void close() throws Exception {
        process.destroy();
        process.waitFor();
        try (Stream<Path> files = Files.walk(folder)) {
            files.sorted(Comparator.reverseOrder()).map(Path::toFile).forEach(File::delete);
        }
    }
}
