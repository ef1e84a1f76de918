//! What the fast path must hide and what it must leave, in formats of many programs; what it costs where it finds nothing.

use gadget_core::testing::{Counting, allocations};
use gadget_core::thread_cpu;
use gadget_curator::{Scanner, Span, Style};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Lines with each value that must be hidden between `{{` and `}}`.
const HIDE: &[&str] = &[
    // nginx, HAProxy
    r#"10.0.0.7 - - [27/Nov/2026:10:00:01 +0000] "GET /reset?email={{ann.lee%40example.org}}&lang=de HTTP/1.1" 200 612 "-" "Mozilla/5.0""#,
    r#"10.0.0.7 - - [27/Nov/2026:10:00:01 +0000] "GET /v1/me?access_token={{q8Zr2LmN0pXw7TyB4vKd}}&x=1 HTTP/2.0" 200 17"#,
    r#"proxy: 203.0.113.9:51514 [27/Nov/2026] X-Forwarded-For: {{198.51.100.23}} backend/web1 0/0/1/14/15 200"#,
    // PostgreSQL, MySQL
    "2026-11-27 10:00:01.123 UTC [4711] app@shop ERROR:  duplicate key: DETAIL:  Key (email)=({{o.brien+shop@mail.example.ie}}) already exists.",
    "LOG:  statement: ALTER ROLE app WITH PASSWORD '{{Tr0ub4dor&3}}'",
    "STATEMENT:  INSERT INTO users VALUES (17, 'x', '{{078-05-1121}}', '{{jane.roe@example.net}}')",
    "+ mysqldump -u root -p{{S3cr3tPw}} shop",
    "psql: could not connect to postgresql://svc:{{hunter2!}}@db.internal:5432/shop",
    // Java
    "Caused by: java.lang.IllegalArgumentException: bad card {{4111-1111-1111-1111}}",
    "\tat com.acme.Pay.charge(Pay.java:42) customer={{Zbigniew Kowalczyk}}",
    "ERROR c.a.PatientService - User[firstName={{Siobhan}}, lastName={{O'Connor}}, dob={{1979-04-23}}]",
    "jdbc:sqlserver://h:1433;databaseName=x;user=sa;password={{Pa55w0rd!}};encrypt=true",
    // Kubernetes
    r#"{"kind":"Event","reason":"Failed","message":"env DB_PASSWORD={{s3cr3t-v4lue}} rejected"}"#,
    "Normal Pulled pod/web-0 Authorization: Bearer {{eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P}}",
    // Python
    r#"ValueError: invalid literal: {'phone': '{{+49 151 23456789}}', 'age': 41}"#,
    "requests.exceptions.HTTPError: 401 for url: https://api.example.com/?api_key={{9f8e7d6c5b4a39281706}}",
    "KeyError: 'AWS_SECRET_ACCESS_KEY={{wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY}}'",
    // syslog, logfmt
    "Nov 27 10:00:01 mx postfix/smtp[991]: 7F2: to=<{{k.mueller@example.de}}>, relay=mx, status=sent",
    "level=info msg=\"call back\" tel={{(212)-555-0147}} svc=crm",
    "level=warn caller=auth.go:17 client_ip={{2001:db8::7334}} err=\"denied\"",
    "ts=1 lvl=eror social_security_number={{219-09-9999}} msg=dup",
    // JSON in JSON, XML, CSV
    r#"{"log":"{\"ssn\":\"{{219 09 9999}}\",\"pin\":\"ok\"}","stream":"stdout"}"#,
    r#"{"payload":"{\"cardNumber\":\"{{5555 5555 5555 4444}}\",\"cvv\":\"{{123}}\"}"}"#,
    "<user><name>{{Maria Garcia}}</name><iban>{{ES91 2100 0418 4502 0005 1332}}</iban></user>",
    "<Password>{{correcthorse9}}</Password>",
    "7,active,{{jose.alvarez@correo.example}},{{4000056655665556}},2026-11-27",
    r#"["pan",["{{4111","1111","1111","1111}}"]]"#,
    // URL queries and escapes
    "POST /cb phone=%2B{{44%2020%207946%200958}}&ok=1",
    "GET /x?ssn%3D{{219-09-9999}}",
    r#"{"mail":"{{jane\u0040example.com}}"}"#,
    "pay ４１１１ not: {{４１１１ １１１１ １１１１ １１１１}} end",
    "pаssword={{hunter2x}} with a letter of another script",
    // Other languages
    "Kunde: {{Jürgen Großmann}}, Tel. {{030 1234567}}",
    "Passwort={{geheim123}} Benutzer=admin",
    "geboren am {{23.04.1979}} in Bonn",
    "Lieferadresse: {{Hauptstraße 12, 10115 Berlin}}",
    "contraseña: {{perro123}}",
    "Estimado {{Carlos Fernández}}, su pedido",
    "mot de passe : {{soleil99}}",
    "né le {{5 mai 1990}}",
    "adresse = \"{{12 rue de la Paix, 75002 Paris}}\"",
    "CPF {{111.444.777-35}} validado",
    "senha={{abacaxi7}}",
    "codice fiscale {{RSSMRA85T10A562S}} ok",
    "DNI {{12345678Z}}",
    "NHS number {{943 476 5919}}",
    "Aadhaar: {{2341 2341 2346}}",
    "BSN {{111222333}}",
    "personnummer {{811218-9876}}",
    "passport no. {{C01X00T47}} scanned",
    // Spoken and spelled
    "caller said five five five oh one: phone {{two one two five five five zero one four seven}}",
    "ssn is {{two one nine zero nine nine nine nine nine}}",
    "write to {{jane dot doe at example dot com}} please",
    "reach me on {{6 6 8 3 8 7 2 6 2 8}}",
    // Streets and dates
    "ship to {{221B Baker Street, London}}",
    "home_address=\"{{742 Evergreen Terrace}}\"",
    "date of birth: {{April 23, 1979}}",
    // Vendors' keys and others
    "export GITHUB={{ghp_16C7e42F292c6912E7710c838347Ae178B4a}}",
    "stripe {{sk_live_4eC39HqLyjWDarjtT1zdp7dc}} used",
    "slack {{xoxb-2345678901-abcdefGHIJK}} revoked",
    "aws {{AKIAIOSFODNN7EXAMPLE}} denied",
    "anthropic {{sk-ant-api03-abcDEF0123456789}} quota",
    "gcp {{AIzaSyA1234567890abcdefghijklmnopqrstuv}} quota",
    "sendgrid {{SG.ngeVfQFYQlKU0ufo8x5d1A.TwL2iGABf9DHoTf09kqeF8tAmbihYzrnopKc1s5cr}}",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----",
    "curl -u admin:{{s3cretpw}} https://x.example/",
    "./run --password {{hunter2}} --verbose",
    "redis://:{{p4ssw0rd}}@cache:6379/0",
    "conn_str=\"{{Server=h;User Id=sa;Password=x1y2z3}}\" opened",
    "approved by {{Mark Nelson}} at noon",
    "Hello Mr. {{Nakamura}}, welcome",
];

/// Lines with nothing to hide.
const LEAVE: &[&str] = &[
    "invoice #123-45-6789 created",
    "ticket 692-50-7706 closed",
    "order 4111111111111112 shipped",
    "order_id=1234567890123456 ok",
    "Error code: 555-0199",
    "isbn=978-1-277-59327-4",
    "trace_id=4bf92f3577b34da6a3ce929d0e0e4736 span=00f067aa0ba902b7",
    "etag=\"686897696a7c876b7e686897696a7c87\"",
    "commit 2eca9710127768218bd7374f67bfa4edbc714be7",
    "uuid 123e4567-e89b-12d3-a456-426614174000",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "checksum=crc32c:0a1b2c3d",
    "password policy updated to v18.20.28.15",
    "token bucket refilled, tokens=500 rate=17/s",
    "ssn validator loaded 303889909 rules",
    "card reader firmware 24.26.25.14",
    "email queue depth 5966",
    "next run at 2015-04-12T15:27:09Z (1176714435160)",
    "listening on 0.0.0.0:8080, peer 10.0.0.7:51514",
    "clone git@codehost:team/repo.git at 376e2ab",
    "GC pause 1234567 us, heap 1073741824 bytes",
    "Apache Tomcat started in 934754 ms",
    "Red Hat package 29.2.13.19 installed",
    "device 70:67:06:ca:c1:0c joined",
    "systemd[1]: Started user@1000.service",
    "at java.base/java.util.concurrent.ThreadPoolExecutor.runWorker(ThreadPoolExecutor.java:1136)",
    "kubelet: Volume pvc-0a1b2c3d mounted for pod web-7d4b9c-x2x9z",
    "password_length=12 min_age=7",
    "secret rotation finished in 17 ms",
    "Authorization: Basic realm required",
    "port=5432 user=postgres database=shop",
    "version 1.2.3-rc.4+build.567",
    "x=1.234567890123 y=2.345678901234",
    "thread-17 pool-3 batch 5198062463 rows in 8728644 ms",
    "service_name=\"Order Gateway\" file_name=\"Annual Report.pdf\"",
    "lock wait 12:30:48.123456 1163064001",
];

fn hidden(line: &str) -> (String, Vec<std::ops::Range<usize>>) {
    let (mut plain, mut ranges, mut rest) = (String::new(), Vec::new(), line);
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((value, after)) = after.split_once("}}") else { panic!("{line}") };
        plain.push_str(before);
        ranges.push(plain.len()..plain.len() + value.len());
        plain.push_str(value);
        rest = after;
    }
    plain.push_str(rest);
    (plain, ranges)
}

fn scan(line: &[u8]) -> Vec<Span> {
    let mut spans = Vec::new();
    Scanner::new().scan(line, &mut spans);
    spans
}

#[test]
fn values_are_hidden_in_formats_of_many_programs() {
    let mut missed = Vec::new();
    for line in HIDE {
        let (plain, ranges) = hidden(line);
        let spans = scan(plain.as_bytes());
        let covered = |at: usize| spans.iter().any(|span| span.range().contains(&at));
        for range in ranges {
            let letters =
                plain[range.clone()].char_indices().filter(|(_, it)| it.is_alphanumeric());
            if !letters.map(|(at, _)| range.start + at).all(covered) {
                missed.push(format!("{:?} in {plain}", &plain[range]));
            }
        }
        if !line.contains("{{") {
            assert!(!spans.is_empty(), "{line}");
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn look_alikes_are_left() {
    let touched: Vec<_> = LEAVE.iter().filter(|line| !scan(line.as_bytes()).is_empty()).collect();
    assert!(touched.is_empty(), "{touched:#?}");
}

#[test]
fn a_line_without_a_value_allocates_nothing_and_the_state_is_small() {
    let scanner = Scanner::new();
    let mut spans = Vec::new();
    let before = allocations();
    for line in LEAVE {
        scanner.scan(line.as_bytes(), &mut spans);
    }
    assert_eq!(allocations() - before, 0);
    assert!(scanner.memory() < 1 << 20, "{}", scanner.memory());
}

#[test]
fn a_line_that_was_built_to_be_slow_takes_linear_time() {
    let scanner = Scanner::new();
    for part in [
        "@",
        "a@a.",
        "7",
        "1 ",
        "12 ",
        "41-",
        "key=",
        "token=",
        "password=\"",
        "name=",
        "Mr Ann ",
        "one ",
        "%41",
        "\\u0041",
        "eyJ",
        "://a:",
        "-----BEGIN ",
        "A1b2",
        "for Ann ",
        "１",
        "mysql ",
        "(a) values ('b'), ",
        "(a) values ('",
        "user 1.2.3.4 ",
        "PID|",
        "for Ab Cd ",
        "redis://a:b@",
        "password(",
    ] {
        let time = |count: usize| {
            let line = part.repeat(count / part.len());
            let mut spans = Vec::new();
            let least = (0..5).map(|_| {
                spans.clear();
                let start = thread_cpu();
                scanner.scan(line.as_bytes(), &mut spans);
                thread_cpu() - start
            });
            least.min().unwrap_or_default().as_nanos() as f64
        };
        let (short, long) = (time(1 << 13), time(1 << 17));
        assert!(long < short * 16.0 * 4.0, "{part:?}: {short} ns for 8 KiB, {long} for 128");
    }
}

#[test]
fn nothing_of_a_value_is_left_after_redaction() {
    let style = Style::new();
    for line in HIDE {
        let (plain, _) = hidden(line);
        let (mut out, mut replaced) = (Vec::new(), Vec::new());
        style.redact(plain.as_bytes(), &scan(plain.as_bytes()), &mut out, &mut replaced);
        for one in &replaced {
            let value = &plain.as_bytes()[one.from.start as usize..one.from.end as usize];
            let left = value.len() > 6 && out.windows(value.len()).any(|it| it == value);
            assert!(!left, "{plain}");
        }
        let again = scan(&out);
        assert!(again.is_empty(), "{} {again:?}", String::from_utf8_lossy(&out));
    }
}
