// The server of scenarios.py by an embedded Tomcat; gets a certificate and its key.

import jakarta.servlet.ServletContextEvent;
import jakarta.servlet.ServletContextListener;
import jakarta.websocket.CloseReason;
import jakarta.websocket.Endpoint;
import jakarta.websocket.EndpointConfig;
import jakarta.websocket.MessageHandler;
import jakarta.websocket.PongMessage;
import jakarta.websocket.Session;
import jakarta.websocket.server.ServerContainer;
import jakarta.websocket.server.ServerEndpointConfig;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.apache.catalina.Context;
import org.apache.catalina.connector.Connector;
import org.apache.catalina.startup.Tomcat;
import org.apache.tomcat.util.net.SSLHostConfig;
import org.apache.tomcat.util.net.SSLHostConfigCertificate;
import org.apache.tomcat.websocket.server.WsSci;

public class TomcatServer {
    static final BlockingQueue<String> reports = new LinkedBlockingQueue<>();

    interface Action {
        void run() throws Exception;
    }

    static void unchecked(Action action) {
        try {
            action.run();
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        } catch (Exception error) {
            throw new IllegalStateException(error);
        }
    }

    static void say(Session session, String text) {
        unchecked(() -> session.getBasicRemote().sendText(text));
    }

    public static class Echo extends Endpoint {
        @Override
        public void onOpen(Session session, EndpointConfig config) {
            session.addMessageHandler(String.class, text -> say(session, text));
            session.addMessageHandler(ByteBuffer.class,
                data -> unchecked(() -> session.getBasicRemote().sendBinary(data)));
        }
    }

    public static class Fragments extends Endpoint {
        @Override
        public void onOpen(Session session, EndpointConfig config) {
            unchecked(() -> {
                String[] texts = {"one, ", "two, ", "drei €"};
                for (int i = 0; i < 3; i++)
                    session.getBasicRemote().sendText(texts[i], i == 2);
                for (int i = 0; i < 3; i++)
                    session.getBasicRemote().sendBinary(
                        ByteBuffer.wrap(new byte[] {(byte) i}), i == 2);
            });
        }
    }

    public static class Ping extends Endpoint {
        @Override
        public void onOpen(Session session, EndpointConfig config) {
            byte[] payload = "payload".getBytes(StandardCharsets.UTF_8);
            session.addMessageHandler(PongMessage.class, pong -> {
                if (pong.getApplicationData().equals(ByteBuffer.wrap(payload)))
                    say(session, "pong");
            });
            unchecked(() -> session.getBasicRemote().sendPing(ByteBuffer.wrap(payload)));
        }
    }

    public static class Bye extends Endpoint {
        @Override
        public void onOpen(Session session, EndpointConfig config) {
            unchecked(() -> session.close(new CloseReason(
                CloseReason.CloseCodes.getCloseCode(4001), "server says bye")));
        }
    }

    public static class Report extends Endpoint {
        @Override
        public void onOpen(Session session, EndpointConfig config) {}

        @Override
        public void onClose(Session session, CloseReason reason) {
            reports.add(reason.getCloseCode().getCode() + " " + reason.getReasonPhrase());
        }
    }

    public static class Reported extends Endpoint {
        @Override
        public void onOpen(Session session, EndpointConfig config) {
            unchecked(() -> say(session, reports.take()));
        }
    }

    public static class Numbers extends Endpoint {
        @Override
        public void onOpen(Session session, EndpointConfig config) {
            session.addMessageHandler(String.class, text -> {
                for (int number = 0; number < Integer.parseInt(text); number++)
                    say(session, Integer.toString(number));
                say(session, "end");
            });
        }
    }

    public static class Count extends Endpoint {
        int number = 0;

        @Override
        public void onOpen(Session session, EndpointConfig config) {
            session.addMessageHandler(String.class, text -> {
                if (text.equals("end"))
                    say(session, Integer.toString(number));
                else if (text.equals(Integer.toString(number)))
                    number++;
            });
        }
    }

    public static class Routes implements ServletContextListener {
        @Override
        public void contextInitialized(ServletContextEvent event) {
            ServerContainer container = (ServerContainer) event.getServletContext()
                .getAttribute(ServerContainer.class.getName());
            container.setDefaultMaxTextMessageBufferSize(1 << 25);
            container.setDefaultMaxBinaryMessageBufferSize(1 << 25);
            for (Class<?> type : List.of(Echo.class, Fragments.class, Ping.class,
                    Bye.class, Report.class, Reported.class, Numbers.class, Count.class))
                unchecked(() -> container.addEndpoint(ServerEndpointConfig.Builder
                    .create(type, "/" + type.getSimpleName().toLowerCase())
                    .subprotocols(List.of("echo")).build()));
        }
    }

    static Connector connector() {
        Connector made = new Connector("HTTP/1.1");
        made.setPort(0);
        made.setProperty("address", "127.0.0.1");
        return made;
    }

    public static void main(String[] arguments) throws Exception {
        Logger.getLogger("").setLevel(Level.SEVERE);
        Tomcat tomcat = new Tomcat();
        tomcat.setBaseDir(Files.createTempDirectory("tomcat").toString());
        Connector plain = connector();
        Connector tls = connector();
        SSLHostConfig host = new SSLHostConfig();
        SSLHostConfigCertificate certificate =
            new SSLHostConfigCertificate(host, SSLHostConfigCertificate.Type.UNDEFINED);
        certificate.setCertificateFile(arguments[0]);
        certificate.setCertificateKeyFile(arguments[1]);
        host.addCertificate(certificate);
        tls.setSecure(true);
        tls.setScheme("https");
        tls.setProperty("SSLEnabled", "true");
        tls.addSslHostConfig(host);
        tomcat.getService().addConnector(plain);
        tomcat.getService().addConnector(tls);
        Context context = tomcat.addContext("", null);
        context.addServletContainerInitializer(new WsSci(), null);
        context.addApplicationListener(Routes.class.getName());
        Tomcat.addServlet(context, "none", new org.apache.catalina.servlets.DefaultServlet());
        context.addServletMappingDecoded("/", "none");
        tomcat.start();
        System.out.println(plain.getLocalPort() + " " + tls.getLocalPort());
        System.out.flush();
        tomcat.getServer().await();
    }
}
