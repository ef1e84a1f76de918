//! What a `$slot` of a template stands for.

use gadget_curator::Entity;

use crate::line::{Text, url_escape};
use crate::people;
use crate::records;
use crate::rng::Rng;
use crate::values::{self as v, HEX, LOWER, UPPER};

const NOUNS: &str = "worker queue request session cache index shard replica broker topic partition consumer producer scheduler executor task \
    job batch snapshot backup volume disk block segment buffer socket connection handshake certificate listener router gateway proxy balancer \
    upstream backend frontend endpoint handler controller filter interceptor pipeline stage container image pod node cluster namespace secret \
    configmap deployment service ingress policy rule quota limit token lease lock mutex semaphore thread pool heap region page table row column \
    schema migration transaction query statement cursor result record document field mapping template plugin module driver adapter device sensor \
    firmware kernel interrupt timer clock event message packet frame header payload checksum signature manifest artifact build release pipeline \
    checkpoint watermark offset epoch ledger journal log file directory inode mount share bucket object key value entry element tree graph edge";
const VERBS: &str = "started stopped failed completed created deleted updated loaded flushed committed aborted retried expired evicted rotated \
    registered removed added connected disconnected accepted rejected closed opened received sent processed skipped scheduled cancelled resumed \
    suspended initialized allocated released mounted parsed validated refreshed synced replicated elected compacted merged split moved renamed \
    resolved dropped queued drained throttled scaled restarted upgraded detected ignored cleared reset armed verified signed applied";
const ADJECTIVES: &str = "stale active idle slow fast new old primary secondary remote local temporary empty full invalid unknown missing corrupt \
    partial pending dirty clean large small shared exclusive internal external virtual default optional readable orphaned duplicate";
const HOSTS: &str = "web db app cache node worker edge api auth mail proxy gw build ci nas kube mq search batch core lb vpn ns ldap";
const CLASS_WORDS: &str = "Order Payment User Account Session Cache Query Data Block Node Task Job Event Message Request Response Http Client \
    Server Connection Pool Thread Manager Service Factory Handler Listener Controller Provider Resolver Builder Context Config Registry Store \
    Repository Mapper Filter Interceptor Executor Scheduler Monitor Tracker Router Broker Channel Stream Buffer Parser Writer Reader Codec \
    Transaction Index Segment Partition Replica Leader Election Lease Token Security Policy Metric Health Status Audit Batch Window Display \
    Activity Package Power Audio Input Location Network Wifi Bluetooth Telephony Notification View Layout Surface Camera Battery Sensor Vault";
const PRODUCTS: &[&str] = &[
    "Oracle Linux",
    "Windows Server",
    "Visual Studio Code",
    "Spring Boot",
    "Amazon Web Services",
    "Google Cloud Storage",
    "Microsoft Exchange",
    "Internet Explorer",
    "Adobe Acrobat Reader",
    "IBM WebSphere",
    "Cisco Nexus",
    "Dell PowerEdge",
    "HP ProLiant",
    "Intel Xeon Gold",
    "Mozilla Firefox",
    "Apache Kafka",
    "Elastic Search",
    "Azure Active Directory",
    "Citrix Gateway",
    "Palo Alto Firewall",
    "Samsung Galaxy Tab",
    "Debian Bookworm",
    "Ubuntu Jammy",
    "Fedora Core",
    "Alpine Linux",
    "Rocky Linux",
    "Eclipse Temurin",
    "Jetty Server",
    "Hyper Text Cafe",
    "Power Management Unit",
    "Memory Controller Hub",
    "General Protection Fault",
    "Fast Ethernet Adapter",
    "Quality Of Service",
    "Lotus Notes",
    "Docker Desktop",
    "Rancher Server",
    "Jenkins Master",
    "Grafana Enterprise",
    "Crystal Reports",
    "Norton Security",
    "Kaspersky Endpoint",
    "Sun Microsystems",
    "Silicon Graphics",
    "Western Digital",
    "Hitachi Ultrastar",
    "Logitech Receiver",
    "Realtek Audio",
    "Nvidia Tesla",
    "Monte Carlo Solver",
    "Ada Lovelace Edition",
    "Pascal Compiler",
    "Maxwell Engine",
    "Hopper Cluster",
    "Turing Pipeline",
    "Victoria Metrics",
    "Jackson Databind",
    "Morgan Logger",
    "Jasper Reports",
    "Gordon Framework",
    "Wright Flyer Demo",
    "Sandy Bridge",
    "Coffee Lake",
    "Ruby Rails",
    "Event Viewer",
    "Task Scheduler",
    "Service Control Manager",
    "Group Policy Client",
    "Print Spooler",
    "Remote Desktop Gateway",
    "Content Security Policy",
    "Certificate Authority",
    "Domain Controller",
    "Load Balancer",
    "Data Import Wizard",
    "Quarterly Report Job",
    "Black Friday Campaign",
    "Summer Sale",
    "Premium Plan",
    "Gold Member Tier",
    "Green Tea Set",
    "Blue Ocean Theme",
    "Data Node",
    "Name Node",
];
const PLACES: &[&str] = &[
    "New York",
    "San Francisco",
    "Los Angeles",
    "South Africa",
    "Hong Kong",
    "Buenos Aires",
    "Tel Aviv",
    "North Dakota",
    "Frankfurt Main",
    "Kuala Lumpur",
    "United Kingdom",
    "Great Britain",
    "Costa Rica",
    "Sri Lanka",
    "New Zealand",
    "Santa Clara",
    "El Paso",
    "Fort Worth",
    "Berlin",
    "Madrid",
    "Dublin",
    "Paris",
    "Mumbai",
    "Austin",
    "Charlotte",
    "Jackson",
    "Lincoln",
    "Florence",
    "Victoria",
    "Salem",
    "Oslo",
    "Salt Lake City",
    "Den Haag",
    "San Marino",
    "Rhode Island",
    "Cape Town",
    "Las Vegas",
    "Saint Petersburg",
    "Lake Tahoe",
    "West Virginia",
];

fn random<'a>(rng: &mut Rng, list: &'a str) -> &'a str {
    rng.word(list)
}

fn class(rng: &mut Rng) -> String {
    (0..rng.between(2, 3)).map(|_| rng.word(CLASS_WORDS)).collect()
}

fn package(rng: &mut Rng) -> String {
    let parts: Vec<&str> = (0..rng.between(1, 3)).map(|_| rng.word(NOUNS)).collect();
    format!("{}.{}", rng.word("com org net io de app core internal"), parts.join("."))
}

fn version(rng: &mut Rng) -> String {
    let mut text = format!("{}.{}", rng.below(30), rng.below(40));
    for _ in 0..rng.below(3) {
        text += &format!(".{}", rng.below(2000));
    }
    text + rng.pick(&["", "", "", "-rc1", "-SNAPSHOT", "-beta.2", "+build7", "-1ubuntu2", ".el9"])
}

const MONTHS: &str = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec";
const DAYS: &str = "Mon Tue Wed Thu Fri Sat Sun";

fn clock(rng: &mut Rng) -> String {
    format!("{:02}:{:02}:{:02}", rng.below(24), rng.below(60), rng.below(60))
}

fn date(rng: &mut Rng) -> String {
    format!("{}-{:02}-{:02}", rng.between(1998, 2030), rng.between(1, 12), rng.between(1, 28))
}

/// A time in one of the ways that logs write it.
fn timestamp(rng: &mut Rng) -> String {
    let (date, clock) = (date(rng), clock(rng));
    match rng.below(16) {
        0 => format!("{date}T{clock}Z"),
        1 => format!("{date}T{clock}.{}Z", rng.digits(3)),
        2 => format!("{date} {clock},{}", rng.digits(3)),
        3 => format!("{date} {clock}"),
        4 => format!("{date}T{clock}.{}+0{}:00", rng.digits(6), rng.below(9)),
        5 => format!("{} {:2} {clock}", rng.word(MONTHS), rng.between(1, 28)),
        6 => format!(
            "{:02}/{}/{}:{clock} +0000",
            rng.between(1, 28),
            rng.word(MONTHS),
            rng.between(2000, 2030)
        ),
        7 => format!(
            "{}/{:02}/{:02} {clock}",
            rng.between(2000, 2030),
            rng.between(1, 12),
            rng.between(1, 28)
        ),
        8 => format!("{}{}", rng.pick(&["16", "17", "15", "14"]), rng.digits(8)),
        9 => format!("{}{}", rng.pick(&["16", "17", "15", "14"]), rng.digits(11)),
        10 => format!(
            "{} {} {:02} {clock} {}",
            rng.word(DAYS),
            rng.word(MONTHS),
            rng.between(1, 28),
            rng.between(1999, 2030)
        ),
        11 => format!("{}.{}", clock, rng.digits(3)),
        12 => format!(
            "{:02}.{:02}.{} {clock}",
            rng.between(1, 28),
            rng.between(1, 12),
            rng.between(2000, 2030)
        ),
        13 => {
            format!("{} {:02} {} {clock} GMT", rng.word(DAYS), rng.between(1, 28), rng.word(MONTHS))
        }
        14 => format!(
            "{:02}{:02}{:02} {:02}{:02}{:02}",
            rng.below(30),
            rng.between(1, 12),
            rng.between(1, 28),
            rng.below(24),
            rng.below(60),
            rng.below(60)
        ),
        _ => format!(
            "{}-{:02}-{:02}-{:02}.{:02}.{:02}.{}",
            rng.between(2000, 2030),
            rng.between(1, 12),
            rng.between(1, 28),
            rng.below(24),
            rng.below(60),
            rng.below(60),
            rng.digits(6)
        ),
    }
}

/// A sentence of machines.
pub(crate) fn sentence(rng: &mut Rng) -> String {
    let n = |rng: &mut Rng| rng.word(NOUNS);
    match rng.below(22) {
        0 => format!("{} {} in {} ms", n(rng), rng.word(VERBS), rng.below(90_000)),
        1 => format!(
            "{} {} {} {}",
            people::capital(rng.word(ADJECTIVES)),
            n(rng),
            rng.digits_between(1, 6),
            rng.word(VERBS)
        ),
        2 => format!(
            "{}={} {}={} {}={}",
            n(rng),
            rng.below(9999),
            n(rng),
            rng.word(ADJECTIVES),
            n(rng),
            version(rng)
        ),
        3 => format!(
            "Failed to {} {}: {}",
            rng.word("open load read write bind resolve parse connect allocate acquire"),
            n(rng),
            rng.word(ADJECTIVES)
        ),
        4 => format!(
            "{}: {} of {} {}s {}",
            class(rng),
            rng.below(100),
            rng.below(9999),
            n(rng),
            rng.word(VERBS)
        ),
        5 => format!(
            "{}.{}: {} {} -> {}",
            package(rng),
            class(rng),
            n(rng),
            rng.word(ADJECTIVES),
            rng.word(ADJECTIVES)
        ),
        6 => format!(
            "{} {} (took {}.{}s)",
            people::capital(rng.word(VERBS)),
            n(rng),
            rng.below(100),
            rng.digits(3)
        ),
        7 => format!("{} {}@{:x} {}", n(rng), class(rng), rng.next() as u32, rng.word(VERBS)),
        8 => format!(
            "{} {}/{} {} bytes",
            people::capital(n(rng)),
            rng.below(64),
            rng.between(64, 256),
            rng.digits_between(1, 10)
        ),
        9 => format!(
            "{}[{}] {} {} {}",
            n(rng),
            rng.below(4096),
            rng.word(VERBS),
            rng.word(ADJECTIVES),
            n(rng)
        ),
        10 => format!(
            "src={}:{} dst={}:{} proto=TCP",
            v::ip(rng),
            rng.between(1024, 65000),
            v::ip(rng),
            rng.between(1, 9999)
        ),
        11 => format!("opened {} for {} {}", path(rng), rng.word(ADJECTIVES), n(rng)),
        12 => format!(
            "No {} found for {} {}, using {}",
            n(rng),
            rng.word(ADJECTIVES),
            n(rng),
            rng.word(ADJECTIVES)
        ),
        13 => format!(
            "{}({}, {} - {}, {})",
            class(rng),
            rng.below(9),
            rng.below(2000),
            rng.below(2000),
            rng.below(9)
        ),
        14 => {
            format!("{} 0x{} flags=0x{}", n(rng), rng.chars(HEX, 8), rng.chars_between(HEX, 2, 8))
        }
        15 => format!(
            "{}_{} {} to {}:{}",
            rng.word("blk attempt task container application job part"),
            rng.digits_between(8, 19),
            rng.word(VERBS),
            v::ip(rng),
            rng.between(1000, 60000)
        ),
        16 => format!(
            "{} {}: {} {}",
            people::capital(rng.word(NOUNS)),
            people::capital(rng.word(NOUNS)),
            rng.word(VERBS),
            rng.digits_between(1, 5)
        ),
        17 => format!("{}-{} {}", n(rng), rng.digits(2), rng.word(VERBS).to_uppercase()),
        18 => format!(
            "{} {} {} at {}",
            people::capital(n(rng)),
            people::capital(n(rng)),
            people::capital(rng.word(VERBS)),
            timestamp(rng)
        ),
        19 => format!("host {} is {} ({}%)", host(rng), rng.word(ADJECTIVES), rng.below(101)),
        20 => format!(
            "{} {} by {} {}",
            people::capital(n(rng)),
            rng.word(VERBS),
            class(rng),
            rng.pick(&["again", "twice", "on retry", "after timeout", "OK"])
        ),
        _ => format!(
            "{}: {} = {}, {} = {}, {} = {}",
            people::capital(n(rng)),
            n(rng),
            rng.below(999),
            n(rng),
            rng.below(999),
            n(rng),
            rng.below(999)
        ),
    }
}

fn host(rng: &mut Rng) -> String {
    let host = format!("{}{}{}", rng.word(HOSTS), rng.pick(&["-", "", "0"]), rng.below(40));
    match rng.below(4) {
        0 => format!("{host}.{}", v::domain(rng)),
        1 => format!("ip-10-{}-{}-{}", rng.below(256), rng.below(256), rng.below(256)),
        2 => format!("{host}.{}.internal", rng.word("eu us prod stage dc1 corp")),
        _ => host,
    }
}

fn path(rng: &mut Rng) -> String {
    let parts: Vec<&str> = (0..rng.between(1, 4)).map(|_| rng.word(NOUNS)).collect();
    match rng.below(6) {
        0 => format!("C:\\Program Files\\{}\\{}.dll", people::capital(parts[0]), class(rng)),
        1 => format!(
            "/{}/{}.{}",
            parts.join("/"),
            rng.word(NOUNS),
            rng.word("log conf xml so properties jar py rs json")
        ),
        2 => {
            format!("/api/v{}/{}/{}", rng.between(1, 3), parts.join("/"), rng.digits_between(1, 12))
        }
        3 => format!("hdfs://{}:{}/{}", host(rng), rng.between(1000, 9999), parts.join("/")),
        _ => format!("/{}/{}", rng.word("var etc usr opt home srv tmp data"), parts.join("/")),
    }
}

/// A number that looks like a value and is none.
fn look_alike(slot: &str, rng: &mut Rng) -> String {
    match slot {
        "fakessn" => format!("{}-{}-{}", rng.digits(3), rng.digits(2), rng.digits(4)),
        "fakephone" => match rng.below(4) {
            0 => format!("{}-{}", rng.digits(3), rng.digits(4)),
            1 => format!("{}-{}-{}", rng.digits(3), rng.digits(3), rng.digits(4)),
            2 => format!("{}.{}.{}", rng.digits(3), rng.digits(3), rng.digits(4)),
            _ => rng.digits(10),
        },
        "fakecard" => match rng.below(3) {
            0 => format!("{} {} {} {}", rng.digits(4), rng.digits(4), rng.digits(4), rng.digits(4)),
            1 => format!("{}-{}-{}-{}", rng.digits(4), rng.digits(4), rng.digits(4), rng.digits(4)),
            _ => rng.digits_between(13, 19),
        },
        "isbn" => match rng.below(3) {
            0 => format!(
                "978-{}-{}-{}-{}",
                rng.below(10),
                rng.digits(3),
                rng.digits(5),
                rng.below(10)
            ),
            1 => format!("97{}{}", rng.between(8, 9), rng.digits(10)),
            _ => format!("{}-{}-{}-X", rng.below(10), rng.digits(4), rng.digits(4)),
        },
        "tracking" => match rng.below(4) {
            0 => format!(
                "1Z{}{}",
                rng.chars("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", 8),
                rng.digits(8)
            ),
            1 => format!("{}{}{}", rng.chars(UPPER, 2), rng.digits(9), rng.chars(UPPER, 2)),
            2 => rng.digits_between(12, 22),
            _ => format!("{} {} {}", rng.digits(4), rng.digits(4), rng.digits(4)),
        },
        "serial" => match rng.below(4) {
            0 => format!("{}{}-{}", rng.chars(UPPER, 2), rng.digits(4), rng.digits(6)),
            1 => rng.chars("0123456789ABCDEFGHJKLMNPQRSTUVWXYZ", 12),
            2 => format!(
                "{}-{}-{}-{}",
                rng.chars_between("0123456789ABCDEF", 4, 5),
                rng.digits(4),
                rng.digits(4),
                rng.digits(4)
            ),
            _ => format!("S/N {}", rng.digits_between(8, 12)),
        },
        "mac" => [2; 6].map(|len| rng.chars(HEX, len)).join(rng.pick(&[":", "-"])),
        "geo" => {
            format!("{}.{},{}.{}", rng.below(90), rng.digits(5), rng.below(180), rng.digits(5))
        }
        _ => format!("{}{}", rng.chars(UPPER, 2), rng.digits(18)),
    }
}

fn noise(slot: &str, rng: &mut Rng) -> Option<String> {
    Some(match slot {
        "int" => rng.digits_between(1, 7),
        "small" => rng.below(100).to_string(),
        "n4" => rng.digits(4),
        "n6" => rng.digits(6),
        "n9" => rng.digits(9),
        "n10" => rng.digits(10),
        "n12" => rng.digits(12),
        "id" => match rng.below(5) {
            0 => rng.digits_between(3, 12),
            1 => v::uuid(rng),
            2 => rng.chars(HEX, 24),
            3 => format!("{}-{}", rng.chars(UPPER, 3), rng.digits_between(3, 8)),
            _ => rng.chars_between("abcdefghijklmnopqrstuvwxyz0123456789", 6, 14),
        },
        "hex7" => rng.chars(HEX, 7),
        "hex8" => rng.chars(HEX, 8),
        "hex16" => rng.chars(HEX, 16),
        "hex32" => rng.chars(HEX, 32),
        "hex40" => rng.chars(HEX, 40),
        "hex64" => rng.chars(HEX, 64),
        "b64" => rng.chars_between("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 22, 44) + rng.pick(&["", "=", "=="]),
        "uuid" => v::uuid(rng),
        "ts" => timestamp(rng),
        "date" => date(rng),
        "clock" => clock(rng),
        "mon" => rng.word(MONTHS).to_owned(),
        "day" => rng.word(DAYS).to_owned(),
        "dom" => rng.between(1, 28).to_string(),
        "year" => rng.between(1990, 2035).to_string(),
        "host" => host(rng),
        "domain" => v::domain(rng),
        "path" => path(rng),
        "upath" => loop {
            let path = path(rng);
            if path.starts_with('/') {
                break path;
            }
        },
        "ip" => v::ip(rng),
        "port" => rng.between(20, 65535).to_string(),
        "pid" => rng.between(1, 99999).to_string(),
        "ms" => rng.below(30000).to_string(),
        "amount" => format!("{}.{}", rng.between(1, 9999), rng.digits(2)),
        "cur" => rng.word("USD EUR GBP CHF SEK JPY INR BRL").to_owned(),
        "float" => format!("{}.{}", rng.below(1000), rng.digits_between(1, 6)),
        "ver" => version(rng),
        "noun" => random(rng, NOUNS).to_owned(),
        "verb" => random(rng, VERBS).to_owned(),
        "adj" => random(rng, ADJECTIVES).to_owned(),
        "class" => class(rng),
        "pkg" => package(rng),
        "thread" => match rng.below(6) {
            0 => format!("http-nio-{}-exec-{}", rng.between(1000, 9999), rng.below(200)),
            1 => format!("{}-{}", class(rng), rng.below(64)),
            2 => format!("pool-{}-thread-{}", rng.below(20), rng.below(64)),
            3 => format!("Thread-{}", rng.below(500)),
            4 => "main".to_owned(),
            _ => format!("{}#{}", rng.word(NOUNS), rng.below(99)),
        },
        "svc" => format!("{}-{}", rng.word(NOUNS), rng.word("service api worker svc daemon job")),
        "login" => match rng.below(3) {
            0 => rng.word("root admin nobody www-data postgres jenkins deploy ubuntu guest oracle svc_backup test").to_owned(),
            1 => rng.chars_between(LOWER, 3, 8),
            _ => format!("{}{}", rng.chars(LOWER, 1), rng.digits(5)),
        },
        "level" => rng.word("INFO WARN ERROR DEBUG TRACE info warn error debug notice NOTICE WARNING FATAL").to_owned(),
        "product" => rng.pick(PRODUCTS).to_owned(),
        "place" => rng.pick(PLACES).to_owned(),
        "say" => sentence(rng),
        "agent" => rng
            .pick(&["Mozilla/5.0 (Windows NT 10.0; Win64; x64) Gecko/20100101 Firefox/121.0", "curl/8.4.0", "okhttp/4.12.0", "python-requests/2.31.0", "Mozilla/5.0 (iPhone; CPU iPhone OS 17_2 like Mac OS X)", "Go-http-client/2.0"])
            .to_owned(),
        "verbs" => rng.word("GET POST PUT DELETE PATCH HEAD").to_owned(),
        "code" => rng.pick(&["200", "201", "204", "301", "302", "400", "401", "403", "404", "409", "422", "429", "500", "502", "503"]).to_owned(),
        "fakessn" | "fakephone" | "fakecard" | "isbn" | "tracking" | "serial" | "mac" | "geo" => look_alike(slot, rng),
        "rng" => format!("{}-{}", rng.below(900), rng.digits(3)),
        "masked" => rng.pick(&["****1234", "XXXX-XXXX-XXXX-9911", "***-**-6789", "[REDACTED]", "<redacted>", "********", "j***@***.com", "none", "null"]).to_owned(),
        _ => return None,
    })
}

fn value(slot: &str, rng: &mut Rng) -> Option<Text> {
    let (text, entity) = match slot {
        "name" => (people::full_name(rng), Entity::Name),
        "given" => (people::given(rng), Entity::Name),
        "surname" => (people::surname(rng), Entity::Name),
        "email" => (v::email(rng), Entity::Email),
        "phone" => (v::phone(rng, false), Entity::Phone),
        "barephone" => (v::phone(rng, true), Entity::Phone),
        "ssn" => (v::ssn(rng), Entity::Ssn),
        "card" => (v::card(rng), Entity::Card),
        "iban" => (v::iban(rng), Entity::Iban),
        "nid" => (v::national(rng), Entity::NationalId),
        "cip" => (v::ip(rng), Entity::Ip),
        "addr" => (v::address(rng), Entity::Address),
        "dob" => (v::birth(rng), Entity::BirthDate),
        "pass" => (v::password(rng), Entity::Password),
        "vkey" => (v::vendor_key(rng), Entity::ApiKey),
        "okey" => (v::opaque_key(rng), Entity::ApiKey),
        "secret" => {
            (if rng.percent(40) { v::password(rng) } else { v::opaque_key(rng) }, Entity::Secret)
        }
        "jwt" => (v::jwt(rng), Entity::Jwt),
        "pem" => (v::private_key(rng), Entity::PrivateKey),
        _ => return None,
    };
    Some(Text::value(text, entity))
}

/// What `slot` stands for this time.
///
/// # Panics
/// If no slot has the name: a slip in a template.
pub(crate) fn fill(slot: &str, rng: &mut Rng) -> Text {
    if let Some(of) = slot.strip_prefix("u_") {
        // Not twice.
        let text = loop {
            let text = fill(of, rng);
            if !text.0.iter().any(|piece| piece.text.contains("%40")) {
                break text;
            }
        };
        return text.map(url_escape);
    }
    if slot == "key" {
        return if rng.percent(50) { value("vkey", rng) } else { value("okey", rng) }
            .unwrap_or_default();
    }
    if let Some(value) = value(slot, rng) {
        return value;
    }
    if let Some(text) = noise(slot, rng) {
        return Text::plain(text);
    }
    if slot == "dsn" {
        return dsn(rng);
    }
    records::record(slot, rng)
        .unwrap_or_else(|| panic!("a template names ${slot}, which is no slot"))
}

/// Where and how to connect, with a password in it.
fn dsn(rng: &mut Rng) -> Text {
    let scheme = rng.pick(&[
        "postgres",
        "postgresql",
        "mysql",
        "mongodb",
        "mongodb+srv",
        "redis",
        "amqp",
        "https",
        "ftp",
        "jdbc:postgresql",
        "smtp",
        "clickhouse",
        "ldap",
    ]);
    let user =
        if rng.percent(20) { String::new() } else { noise("login", rng).unwrap_or_default() };
    let mut text = Text::plain(format!("{scheme}://{user}:"));
    let password = loop {
        let password = v::password(rng);
        if !password.contains(['@', '#', '/', '?', '%']) {
            break password;
        }
    };
    text.append(Text::value(password, Entity::Password));
    text.push(&format!("@{}:{}/{}", host(rng), rng.between(1000, 60000), rng.word(NOUNS)));
    text
}
