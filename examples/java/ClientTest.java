import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

/** Without a test framework; with one, start the platform before all tests. */
public final class ClientTest {
    public static void main(String[] arguments) throws Exception {
        try (Platform platform = new Platform()) {
            HttpClient client = HttpClient.newBuilder().sslContext(platform.trust()).build();
            URI address = URI.create(platform.url + "/appsec/v1/applications?size=5");

            HttpRequest unsigned = HttpRequest.newBuilder(address).build();
            expect(401, client.send(unsigned, HttpResponse.BodyHandlers.ofString()).statusCode());

            // The client under test; put yours here.
            String header = platform.run("sign", "--url", address.toString()).strip();
            HttpRequest signed = HttpRequest.newBuilder(address)
                    .header("Authorization", header.replaceFirst("^Authorization: ", "")).build();
            HttpResponse<String> answer = client.send(signed, HttpResponse.BodyHandlers.ofString());
            expect(200, answer.statusCode());
            expect(true, answer.body().replace(" ", "").contains("\"total_elements\":60"));
        }
        System.out.println("ok");
    }

    private static void expect(Object expected, Object actual) {
        if (!expected.equals(actual)) {
            throw new AssertionError("expected " + expected + ", got " + actual);
        }
    }
}
