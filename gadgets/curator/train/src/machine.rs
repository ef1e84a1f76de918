//! What machines say: names of things, times, sentences. Nothing in it is of anyone.

use crate::people;
use crate::rng::Rng;
use crate::values::{self as v, HEX};

pub(crate) const NOUNS: &str = "worker queue request session cache index shard replica broker topic partition consumer producer scheduler executor task \
    job batch snapshot backup volume disk block segment buffer socket connection handshake certificate listener router gateway proxy balancer \
    upstream backend frontend endpoint handler controller filter interceptor pipeline stage container image pod node cluster namespace secret \
    configmap deployment service ingress policy rule quota limit token lease lock mutex semaphore thread pool heap region page table row column \
    schema migration transaction query statement cursor result record document field mapping template plugin module driver adapter device sensor \
    firmware kernel interrupt timer clock event message packet frame header payload checksum signature manifest artifact build release pipeline \
    checkpoint watermark offset epoch ledger journal log file directory inode mount share bucket object key value entry element tree graph edge";
pub(crate) const VERBS: &str = "started stopped failed completed created deleted updated loaded flushed committed aborted retried expired evicted rotated \
    registered removed added connected disconnected accepted rejected closed opened received sent processed skipped scheduled cancelled resumed \
    suspended initialized allocated released mounted parsed validated refreshed synced replicated elected compacted merged split moved renamed \
    resolved dropped queued drained throttled scaled restarted upgraded detected ignored cleared reset armed verified signed applied";
pub(crate) const ADJECTIVES: &str = "stale active idle slow fast new old primary secondary remote local temporary empty full invalid unknown missing corrupt \
    partial pending dirty clean large small shared exclusive internal external virtual default optional readable orphaned duplicate";
pub(crate) const HOSTS: &str = "web db app cache node worker edge api auth mail proxy gw build ci nas kube mq search batch core lb vpn ns ldap";
pub(crate) const CLASS_WORDS: &str = "Order Payment User Account Session Cache Query Data Block Node Task Job Event Message Request Response Http Client \
    Server Connection Pool Thread Manager Service Factory Handler Listener Controller Provider Resolver Builder Context Config Registry Store \
    Repository Mapper Filter Interceptor Executor Scheduler Monitor Tracker Router Broker Channel Stream Buffer Parser Writer Reader Codec \
    Transaction Index Segment Partition Replica Leader Election Lease Token Security Policy Metric Health Status Audit Batch Window Display \
    Activity Package Power Audio Input Location Network Wifi Bluetooth Telephony Notification View Layout Surface Camera Battery Sensor Vault";
pub(crate) const PRODUCTS: &[&str] = &[
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
pub(crate) const PLACES: &[&str] = &[
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

pub(crate) fn random<'a>(rng: &mut Rng, list: &'a str) -> &'a str {
    rng.word(list)
}

pub(crate) fn class(rng: &mut Rng) -> String {
    (0..rng.between(2, 3)).map(|_| rng.word(CLASS_WORDS)).collect()
}

pub(crate) fn package(rng: &mut Rng) -> String {
    let parts: Vec<&str> = (0..rng.between(1, 3)).map(|_| rng.word(NOUNS)).collect();
    format!("{}.{}", rng.word("com org net io de app core internal"), parts.join("."))
}

pub(crate) fn version(rng: &mut Rng) -> String {
    let mut text = format!("{}.{}", rng.below(30), rng.below(40));
    for _ in 0..rng.below(3) {
        text += &format!(".{}", rng.below(2000));
    }
    text + rng.pick(&["", "", "", "-rc1", "-SNAPSHOT", "-beta.2", "+build7", "-1ubuntu2", ".el9"])
}

pub(crate) const MONTHS: &str = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec";
pub(crate) const DAYS: &str = "Mon Tue Wed Thu Fri Sat Sun";

pub(crate) fn clock(rng: &mut Rng) -> String {
    format!("{:02}:{:02}:{:02}", rng.below(24), rng.below(60), rng.below(60))
}

pub(crate) fn date(rng: &mut Rng) -> String {
    format!("{}-{:02}-{:02}", rng.between(1998, 2030), rng.between(1, 12), rng.between(1, 28))
}

/// A time in one of the ways that logs write it.
pub(crate) fn timestamp(rng: &mut Rng) -> String {
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

pub(crate) fn host(rng: &mut Rng) -> String {
    let host = format!("{}{}{}", rng.word(HOSTS), rng.pick(&["-", "", "0"]), rng.below(40));
    match rng.below(4) {
        0 => format!("{host}.{}", v::domain(rng)),
        1 => format!("ip-10-{}-{}-{}", rng.below(256), rng.below(256), rng.below(256)),
        2 => format!("{host}.{}.internal", rng.word("eu us prod stage dc1 corp")),
        _ => host,
    }
}

pub(crate) fn path(rng: &mut Rng) -> String {
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
