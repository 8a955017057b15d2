import java.util.HashMap;
import java.util.Map;
import org.apache.iceberg.jdbc.JdbcCatalog;
import org.apache.iceberg.rest.RESTCatalogAdapter;
import org.apache.iceberg.rest.RESTCatalogServlet;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.servlet.ServletContextHandler;
import org.eclipse.jetty.servlet.ServletHolder;

/**
 * Serves Iceberg's own REST catalog of its tests on 127.0.0.1, over a JDBC catalog in memory and
 * tables in S3. Arguments: port, warehouse, endpoint of S3, region, access key, secret key.
 */
public class IcebergRest {
  public static void main(String[] args) throws Exception {
    Map<String, String> props = new HashMap<>();
    props.put("uri", "jdbc:sqlite:file:rest?mode=memory");
    props.put("clients", "1");
    props.put("jdbc.schema-version", "V1");
    props.put("warehouse", args[1]);
    props.put("io-impl", "org.apache.iceberg.aws.s3.S3FileIO");
    props.put("s3.endpoint", args[2]);
    props.put("s3.path-style-access", "true");
    props.put("client.region", args[3]);
    props.put("s3.access-key-id", args[4]);
    props.put("s3.secret-access-key", args[5]);
    JdbcCatalog catalog = new JdbcCatalog();
    catalog.initialize("rest", props);

    ServletContextHandler context = new ServletContextHandler();
    context.addServlet(new ServletHolder(new RESTCatalogServlet(new RESTCatalogAdapter(catalog))), "/*");
    Server server =
        new Server(new java.net.InetSocketAddress("127.0.0.1", Integer.parseInt(args[0])));
    server.setHandler(context);
    server.start();
    server.join();
  }
}
