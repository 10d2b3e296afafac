import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;

/** Limits the bytes that every client id may read in a second. Usage: Quota.java BOOTSTRAP_SERVERS BYTES */
public class Quota {
    public static void main(String[] arguments) throws Exception {
        var settings = new Properties();
        settings.put("bootstrap.servers", arguments[0]);
        // No id: the default, which holds for each client id on its own.
        Map<String, String> everyClient = new HashMap<>();
        everyClient.put(ClientQuotaEntity.CLIENT_ID, null);
        var limit = new ClientQuotaAlteration.Op("consumer_byte_rate", Double.valueOf(arguments[1]));
        try (var admin = Admin.create(settings)) {
            var alteration = new ClientQuotaAlteration(new ClientQuotaEntity(everyClient), List.of(limit));
            admin.alterClientQuotas(List.of(alteration)).all().get();
        }
    }
}
