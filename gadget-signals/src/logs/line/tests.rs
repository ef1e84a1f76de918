use gadget_core::{Severity, Timestamp};

use super::*;

/// Lines as programs write them, with the severity, the time and the beginning of the message that they show.
#[rustfmt::skip]
const GOLDEN: &[(&str, &str, &str, &str)] = &[
    // Java: log4j, logback, Hadoop, ZooKeeper, Spark, Cassandra, Kafka, Elasticsearch, java.util.logging.
    ("2015-07-29 19:33:48,482 - WARN  [RecvWorker:188978561024:QuorumCnxManager$RecvWorker@762] - Connection broken", "WARN", "2015-07-29T19:33:48.482Z", "[RecvWorker"),
    ("2015-10-18 18:01:47,978 INFO [main] org.apache.hadoop.mapreduce.v2.app.MRAppMaster: Created MRAppMaster", "INFO", "2015-10-18T18:01:47.978Z", "[main] org"),
    ("081110 220653 13 ERROR dfs.DataNode$PacketResponder: PacketResponder 1 for block blk_3 terminating", "ERROR", "2008-11-10T22:06:53.000Z", "dfs.DataNode"),
    ("17/06/09 20:10:40 INFO executor.CoarseGrainedExecutorBackend: Registered signal handlers", "INFO", "2017-06-09T20:10:40.000Z", "executor."),
    ("INFO  [main] 2024-02-03 10:00:00,123 CassandraDaemon.java:650 - Startup complete", "INFO", "2024-02-03T10:00:00.123Z", "CassandraDaemon"),
    ("[2024-02-03 10:00:00,123] WARN [ReplicaFetcher replicaId=1] Error in response (kafka.server)", "WARN", "2024-02-03T10:00:00.123Z", "[Replica"),
    ("[2024-02-03T10:00:00,123][ERROR][o.e.b.Bootstrap          ] [node-1] Exception", "ERROR", "2024-02-03T10:00:00.123Z", "[o.e.b"),
    ("Jan 02, 2024 3:04:05 PM org.apache.catalina.core.StandardService startInternal", "-", "2024-01-02T15:04:05.000Z", "org.apache"),
    ("SEVERE: Failed to start connector [Connector[HTTP/1.1-8080]]", "ERROR", "-", "Failed to"),
    ("10-Oct-2023 13:55:36.123 SEVERE [main] org.apache.catalina.startup.Catalina.load error", "ERROR", "2023-10-10T13:55:36.123Z", "[main]"),
    ("2024-02-03 10:00:00.123  WARN 1 --- [nio-8080-exec-1] o.s.web.servlet.PageNotFound : No mapping", "WARN", "2024-02-03T10:00:00.123Z", "1 ---"),
    ("2024-02-03T10:00:00.123+01:00 ERROR 7 --- [app] [main] c.e.Demo : it broke", "ERROR", "2024-02-03T09:00:00.123Z", "7 ---"),
    ("10:00:00.123 [main] DEBUG c.example.Foo - hello", "DEBUG", "2024-12-30T10:00:00.123Z", "c.example"),
    // Python: logging, Django, gunicorn, uvicorn, loguru, structlog.
    ("WARNING:root:disk is nearly full", "WARN", "-", "root:disk"),
    ("2024-02-03 10:00:00,123 - app.db - ERROR - no connection", "ERROR", "2024-02-03T10:00:00.123Z", "- no"),
    ("INFO 2024-02-03 10:00:00,123 basehttp 7 139 \"GET / HTTP/1.1\" 200", "INFO", "2024-02-03T10:00:00.123Z", "basehttp"),
    ("[2024-02-03 10:00:00 +0200] [12] [INFO] Booting worker with pid: 12", "INFO", "2024-02-03T08:00:00.000Z", "Booting"),
    ("INFO:     127.0.0.1:50000 - \"GET / HTTP/1.1\" 200 OK", "INFO", "-", "127.0"),
    ("2024-02-03 10:00:00.123 | WARNING  | app.main:run:12 - careful", "WARN", "2024-02-03T10:00:00.123Z", "app.main"),
    ("2017-05-16 00:00:04.500 2931 CRITICAL nova.compute.manager [req-3ea4] out of space", "FATAL", "2017-05-16T00:00:04.500Z", "nova."),
    ("nova-api.log.1.2017-05-16_13:53:08 2017-05-16 00:00:00.008 25746 INFO nova.osapi_compute.wsgi.server [req-38101a0b] ok", "INFO", "2017-05-16T00:00:00.008Z", "nova.osapi"),
    // Go: the standard library, klog, zap, logrus, slog, Prometheus.
    ("2024/02/03 10:00:00 listening on :8080", "-", "2024-02-03T10:00:00.000Z", "listening"),
    ("E0102 15:04:05.678901   12345 controller.go:114] error syncing 'default/x'", "ERROR", "2024-01-02T15:04:05.678Z", "12345 controller"),
    ("I0102 15:04:05.678901       1 leaderelection.go:250] attempting to acquire", "INFO", "2024-01-02T15:04:05.678Z", "1 leader"),
    ("2024-02-03T10:00:00.123Z\tinfo\tapp/main.go:12\tstarted\t{\"port\": 80}", "INFO", "2024-02-03T10:00:00.123Z", "app/main"),
    ("2024-02-03T10:00:00.123+0100\tERROR\tsetup\tcannot start manager", "ERROR", "2024-02-03T09:00:00.123Z", "setup"),
    ("time=\"2024-02-03T10:00:00Z\" level=warning msg=\"a slow query\" took=3s", "WARN", "2024-02-03T10:00:00.000Z", "a slow query"),
    ("time=2024-02-03T10:00:00.123Z level=ERROR msg=gone err=\"context canceled\"", "ERROR", "2024-02-03T10:00:00.123Z", "gone err"),
    ("ts=2024-02-03T10:00:00.123Z caller=main.go:500 level=info msg=\"Server is ready\"", "INFO", "2024-02-03T10:00:00.123Z", "Server is ready"),
    ("panic: runtime error: index out of range [5] with length 3", "FATAL", "-", "runtime error"),
    ("fatal error: all goroutines are asleep - deadlock!", "FATAL", "-", "all goroutines"),
    // Rust: tracing, env_logger.
    ("2024-02-03T10:00:00.123456Z  WARN my_app::db: pool is empty", "WARN", "2024-02-03T10:00:00.123Z", "my_app::db"),
    ("[2024-02-03T10:00:00Z INFO  my_app] started", "INFO", "2024-02-03T10:00:00.000Z", "my_app"),
    // JSON: pino, bunyan, zap, logstash, Google, Docker, GELF, Serilog, OpenTelemetry.
    (r#"{"level":30,"time":1700000000123,"pid":1,"msg":"request completed"}"#, "INFO", "2023-11-14T22:13:20.123Z", "request completed"),
    (r#"{"name":"app","hostname":"h","pid":1,"level":60,"msg":"boom","time":"2024-02-03T10:00:00.123Z","v":0}"#, "FATAL", "2024-02-03T10:00:00.123Z", "boom"),
    (r#"{"level":"error","ts":1700000000.1234567,"caller":"a.go:1","msg":"level: info"}"#, "ERROR", "2023-11-14T22:13:20.123Z", "level: info"),
    (r#"{"@timestamp":"2024-02-03T10:00:00.123+02:00","@version":"1","message":"hello","level":"WARN"}"#, "WARN", "2024-02-03T08:00:00.123Z", "hello"),
    (r#"{"severity":"CRITICAL","message":"quota","timestamp":"2024-02-03T10:00:00Z"}"#, "FATAL", "2024-02-03T10:00:00.000Z", "quota"),
    (r#"{"version":"1.1","host":"h","short_message":"m","level":3,"timestamp":1700000000.5}"#, "ERROR", "2023-11-14T22:13:20.500Z", "{"),
    (r#"{"@t":"2024-02-03T10:00:00.1Z","@m":"x","@l":"Warning"}"#, "WARN", "2024-02-03T10:00:00.100Z", "x"),
    (r#"{"t":{"$date":"2024-02-03T10:00:00.123+00:00"},"s":"W","c":"NETWORK","id":1,"ctx":"conn1","msg":"slow"}"#, "WARN", "-", "slow"),
    (r#"{"Timestamp":1700000000123456789,"SeverityNumber":17,"Body":"b"}"#, "ERROR", "2023-11-14T22:13:20.123Z", "{"),
    (r#"{"levelno":40,"asctime":"2024-02-03 10:00:00,123","message":"x"}"#, "ERROR", "2024-02-03T10:00:00.123Z", "x"),
    (r#"{"msg":"{\"level\":\"error\"}","user":{"level":"fatal"},"lvl":"debug"}"#, "DEBUG", "-", "{\\"),
    // Web servers and proxies.
    ("127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] \"GET /error HTTP/1.0\" 500 2326", "-", "2000-10-10T20:55:36.000Z", "\"GET"),
    ("2024/02/03 10:00:00 [error] 12#12: *1 open() \"/x\" failed (2: No such file)", "ERROR", "2024-02-03T10:00:00.000Z", "12#12"),
    ("[Sun Dec 04 04:47:44 2005] [notice] workerEnv.init() ok /etc/httpd/conf/workers2.properties", "INFO", "2005-12-04T04:47:44.000Z", "workerEnv"),
    ("[Wed Feb 07 10:00:00.123456 2024] [core:error] [pid 12:tid 34] AH00126: Invalid URI", "ERROR", "2024-02-07T10:00:00.123Z", "[pid"),
    ("[2024-02-03 10:00:00.123][1][warning][main] [source/server/server.cc:1] there is no configured limit", "WARN", "2024-02-03T10:00:00.123Z", "[main]"),
    ("1700000000.123    52 10.0.0.1 TCP_MISS/200 1200 GET http://example.com/", "-", "2023-11-14T22:13:20.123Z", "52"),
    // Databases and queues.
    ("2024-02-03 10:00:00.123 UTC [77] app@db ERROR:  relation \"x\" does not exist", "ERROR", "2024-02-03T10:00:00.123Z", "relation"),
    ("2024-02-03 10:00:00.123 UTC [1] LOG:  database system is ready to accept connections", "INFO", "2024-02-03T10:00:00.123Z", "database"),
    ("1:M 03 Feb 2024 10:00:00.123 # WARNING overcommit_memory is set to 0!", "WARN", "2024-02-03T10:00:00.123Z", "WARNING over"),
    ("1:M 03 Feb 2024 10:00:00.123 * Ready to accept connections", "INFO", "2024-02-03T10:00:00.123Z", "Ready"),
    ("2024-02-03T10:00:00.123456Z 0 [Warning] [MY-010068] [Server] CA certificate ca.pem is self signed.", "WARN", "2024-02-03T10:00:00.123Z", "[MY-"),
    ("2024-02-03 10:00:00.123456+00:00 [info] <0.222.0> Server startup complete", "INFO", "2024-02-03T10:00:00.123Z", "<0.222"),
    ("2024-02-03T10:00:00.123+0000 I NETWORK  [listener] connection accepted", "INFO", "2024-02-03T10:00:00.123Z", "NETWORK"),
    // Systems.
    ("Jun 14 15:16:01 combo sshd(pam_unix)[19939]: authentication failure; logname= uid=0", "-", "2024-06-14T15:16:01.000Z", "authentication"),
    ("Jun  4 15:16:01 web sshd[24200]: error: PAM: Authentication failure for root", "ERROR", "2024-06-04T15:16:01.000Z", "PAM:"),
    ("<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8", "FATAL", "2024-10-11T22:14:15.000Z", "mymachine su"),
    ("<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [x@1 a=\"b\"] An event", "INFO", "2003-10-11T22:14:15.003Z", "mymachine"),
    ("03-17 16:13:38.811  1702  2395 D WindowManager: printFreezingDisplayLogsopening app wtoken", "DEBUG", "2024-03-17T16:13:38.811Z", "WindowManager"),
    ("E/AndroidRuntime( 1234): FATAL EXCEPTION: main", "ERROR", "-", "AndroidRuntime"),
    ("20171223-22:15:29:606|Step_LSC|30002312|onStandStepChanged 3579", "-", "2017-12-23T22:15:29.606Z", "Step_LSC"),
    ("[10.30 16:49:06] chrome.exe - proxy.cse.cuhk.edu.hk:5070 open through proxy", "-", "2024-10-30T16:49:06.000Z", "chrome"),
    ("- 1117838570 2005.06.03 R02-M1-N0-C:J12-U11 2005-06-03-15.42.50.363779 R02-M1-N0-C:J12-U11 RAS KERNEL INFO instruction cache parity error corrected", "INFO", "2005-06-03T15:42:50.363Z", "instruction"),
    ("2016-09-28 04:30:30, Info                  CBS    Loaded Servicing Stack v6.1", "INFO", "2016-09-28T04:30:30.000Z", "CBS"),
    ("type=SYSCALL msg=audit(1700000000.123:456): arch=c000003e syscall=59 success=yes", "-", "2023-11-14T22:13:20.123Z", "type="),
    ("[    1.234567] usb 1-1: new high-speed USB device number 2", "-", "-", "usb"),
    // Ruby, PHP, .NET, Node.
    ("I, [2024-02-03T10:00:00.123456 #1234]  INFO -- : Started GET", "INFO", "2024-02-03T10:00:00.123Z", "#1234"),
    ("[03-Feb-2024 10:00:00 UTC] PHP Warning:  Undefined variable $x in /a.php on line 3", "WARN", "2024-02-03T10:00:00.000Z", "Undefined"),
    ("[03-Feb-2024 10:00:00 UTC] PHP Fatal error:  Uncaught Exception: x in /a.php:3", "FATAL", "2024-02-03T10:00:00.000Z", "Uncaught"),
    ("[2024-02-03 10:00:00] local.ERROR: it broke {\"exception\":\"[object]\"}", "ERROR", "2024-02-03T10:00:00.000Z", "it broke"),
    ("fail: Microsoft.AspNetCore.Server.Kestrel[13]", "ERROR", "-", "Microsoft"),
    ("[10:00:00 INF] Now listening on: http://localhost:5000", "INFO", "2024-12-30T10:00:00.000Z", "Now"),
    ("2024-02-03 10:00:00.123 +01:00 [ERR] An unhandled exception", "ERROR", "2024-02-03T09:00:00.123Z", "An unhandled"),
    ("02/03/2024 10:00:00 PM|WARN|Service|slow", "WARN", "2024-02-03T22:00:00.000Z", "Service"),
    ("[INFO] plugin/reload: Running configuration", "INFO", "-", "plugin"),
    ("Mon, 02 Jan 2006 15:04:05 GMT started", "-", "2006-01-02T15:04:05.000Z", "started"),
    // Messages that speak of errors, and of dates.
    ("2024-02-03 10:00:00 the last ERROR was long ago", "-", "2024-02-03T10:00:00.000Z", "the last"),
    ("2024-02-03 10:00:00 Recovered from ERROR: all is well", "-", "2024-02-03T10:00:00.000Z", "Recovered"),
    ("error rate is down to 0.1 %", "-", "-", "error rate"),
    ("Failed with ERROR 42 at 2024-02-03 10:00:00", "-", "-", "Failed"),
    ("GET /fatal?level=error HTTP/1.1", "-", "-", "GET"),
    ("No warnings, no errors: fatal attraction", "-", "-", "No warnings"),
    ("Setting level=error for logger com.example", "-", "-", "Setting"),
    ("user said \"FATAL: x\" on 2024-02-03 10:00:00", "-", "-", "user"),
    ("information desk: closed", "-", "-", "information"),
    ("", "-", "-", ""),
    ("   ", "-", "-", "   "),
    ("{", "-", "-", "{"),
    ("<999>x", "-", "-", "x"),
];

#[test]
fn lines_of_many_programs_say_what_they_say() {
    let year = Timestamp::from_secs(1_735_600_000); // 2024-12-30
    let mut wrong = Vec::new();
    for (line, severity, written, message) in GOLDEN {
        let head = head(line.as_bytes(), When { read: year, east: 0 });
        assert_eq!(head.severity, super::severity(line.as_bytes()), "{line}");
        let found = (
            head.severity.map_or("-", Severity::name),
            head.written.map_or("-".to_owned(), |written| written.to_string()),
        );
        let text = &line[head.message.clone()];
        if found != (*severity, (*written).to_owned()) || !text.starts_with(message) {
            wrong.push(format!("{line}\n    {found:?} {text:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), GOLDEN.len(), wrong.join("\n"));
}

#[test]
fn a_time_without_a_zone_is_of_the_zone_of_its_source() {
    let when = When { read: Timestamp::EPOCH, east: 7200 };
    let at = |line: &str| written(line.as_bytes(), when).unwrap().to_string();
    assert_eq!(at("2024-02-03 10:00:00 x"), "2024-02-03T08:00:00.000Z");
    assert_eq!(at("2024-02-03 10:00:00Z x"), "2024-02-03T10:00:00.000Z");
}

#[test]
fn the_head_of_a_long_line_is_found_without_reading_it_all() {
    let line = format!("{} ERROR: x", "a.b ".repeat(1 << 20));
    assert_eq!(severity(line.as_bytes()), None);
    let line = format!("{{\"a\":\"{}\",\"level\":\"error\"}}", "x".repeat(1 << 20));
    assert_eq!(severity(line.as_bytes()), None);
}

proptest::proptest! {
    #[test]
    fn whatever_a_line_is_its_message_is_in_it(line in "[ -~]{0,80}|[\\[<{]?[0-9IWEF:/ ,.T+-]{0,40}[a-zA-Z =\"\\[\\]]{0,40}") {
        let head = head(line.as_bytes(), When::default());
        proptest::prop_assert!(line.as_bytes().get(head.message).is_some());
    }
}

#[test]
fn the_first_key_of_a_message_counts_and_what_comes_after_it_does_not() {
    let when = When { read: Timestamp::from_secs(1_700_000_000), east: 0 };
    for (line, message) in [
        ("msg=\"a b\" [info] rest", "a b"),
        ("msg=\"a b\" msg=\"c d", "a b"),
        ("n=1 msg=\"a b\" 2023-11-14T22:13:20Z x", "a b"),
    ] {
        assert_eq!(&line[head(line.as_bytes(), when).message], message, "{line}");
    }
}
