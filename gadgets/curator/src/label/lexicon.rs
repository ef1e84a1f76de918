//! What single words say about the value beside them, and which words are given names and surnames.
//!
//! The lists are general knowledge in English, German, French, Spanish, Italian, Dutch and Portuguese. Names come with
//! the model; only their hashes do.

use super::token::{HASH_SEED, hash_step, hash_word};

/// What the word lists say about a word: a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Classes(pub u32);

impl Classes {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// A given name.
    pub const GIVEN: Self = Self(1 << 30);
    /// A surname.
    pub const SURNAME: Self = Self(1 << 31);

    /// Whether it is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether both share a member.
    #[must_use]
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Without the members of the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

macro_rules! lists {
    ($($(#[$doc:meta])* $name:ident $bit:literal $words:literal,)*) => {
        impl Classes {
            $($(#[$doc])* pub const $name: Self = Self(1 << $bit);)*
        }
        const LISTS: &[(Classes, &str)] = &[$((Classes::$name, $words),)*];
    };
}

lists! {
    /// Names a phone number.
    PHONE 0 "phone telephone tel mobile cell cellphone msisdn fax call callback whatsapp sms dial dialed ani dnis caller callerid \
        telefon telefonnummer handy handynummer mobil rufnummer festnetz telephone portable mobile telefono movil celular numero \
        cellulare telefoon telefone ring rang ringing texted hotline voicemail phonenumber mobilenumber phoneno tn sim subscriber \
        homephone workphone cellular",
    /// Names a mail address.
    MAIL 1 "email mail mailto emailaddress mailbox correo courriel rcpt recipient recipients smtp bcc cc replyto inbox adresse \
        emailid usermail contactemail upn mailfrom mailadresse",
    /// Names a payment card.
    CARD 2 "card cards pan cc ccnum ccnumber cardnumber cardno creditcard credit debit visa mastercard amex maestro discover diners \
        karte kreditkarte kartennummer carte tarjeta carta kaart cartao bancaire creditcardnumber acct cvv cvc primaryaccountnumber \
        cardholder plastic jcb unionpay numerocarte",
    /// Names a social security number.
    SSN 3 "ssn soc sec social security socialsecurity ssnum itin ssnlast taxid ssid socialsecuritynumber sozialversicherungsnummer",
    /// Names another national number.
    NATIONAL 4 "passport nino nin national nationalid nhs tax tin taxpayer steuer steuernummer steueridentifikationsnummer idnr steuerid \
        dni nie nif cpf cnpj curp rfc insee nir secu bsn pesel aadhaar aadhar sin codicefiscale fiscale codice personnummer cpr \
        licence license driver ausweis ausweisnummer personalausweis identity citizen nationalinsurance svnr ahv tfn medicare fodselsnummer \
        cedula rut ssin emirates nric sozialversicherung",
    /// Names a bank account.
    BANK 5 "iban bank account acct konto kontonummer compte cuenta conto rekening bic swift sepa beneficiary payee creditor debtor \
        transfer wire payout virement uberweisung transferencia bonifico routing sort kontoinhaber refund bankaccount ibannumber",
    /// Says whose an address of the network is.
    CLIENT 6 "client clientip remoteip userip customerip visitor sourceip ipaddress remoteaddr realip forwarded xff xforwardedfor \
        clientaddress useraddress login session logged signed originating viewer shopper member browser kunde cliente utilisateur usuario geoip whoami",
    /// Names a person or a role of one.
    PERSON 7 "customer client user patient employee member caller contact owner holder subscriber applicant borrower passenger guest \
        buyer seller payer payee sender recipient beneficiary cardholder insured claimant nurse doctor teacher student candidate driver \
        kunde kundin patientin mitarbeiter mitarbeiterin empfanger absender inhaber antragsteller benutzer nutzer clienta cliente paciente \
        empleado titular usuario patient salarie destinataire expediteur abonne utilisateur lead traveler traveller resident tenant \
        signer signatory author manager agent person personne persona consignee attendee participant mother father spouse next kin",
    /// Names a name.
    NAMEKEY 8 "name fullname firstname lastname surname givenname familyname forename displayname fname lname realname nachname vorname \
        nom prenom nombre apellido apellidos cognome nome naam achternaam sobrenome holdername accountname contactname cn gecos \
        customername patientname username legalname middlename employeename recipientname cardholdername ansprechpartner nomcomplet",
    /// Comes before a name.
    HONORIFIC 9 "mr mrs ms miss dr prof sir madam mme mlle herr frau hr fr sr sra srta don dona sig signora signor dear hello hi hey \
        bonjour hallo hola ciao liebe lieber sehr geehrte geehrter cher chere estimado estimada monsieur madame senor senora mx rev hon \
        capt regards thanks sincerely",
    /// Names a street address.
    ADDRESS 10 "address street addr addressline address1 address2 shipping billing deliver delivery ship shipto lives resides residence home \
        anschrift adresse strasse lieferadresse rechnungsadresse wohnhaft direccion domicilio calle indirizzo adres endereco livraison \
        streetaddress mailing postal deliverto billto moved parcel dropoff pickup postanschrift domicile residing",
    /// A word of streets.
    STREET 11 "street st avenue ave road rd boulevard blvd lane ln drive dr court ct place pl square sq terrace way parkway pkwy circle \
        cir highway hwy crescent close apt apartment suite unit floor rue allee chemin quai impasse str strasse weg platz gasse ring calle \
        plaza paseo avenida via viale piazza corso straat laan rua travessa po box flat house bp",
    /// Names a date of birth.
    BIRTH 12 "dob birth born birthdate birthday dateofbirth birthdayon geburtsdatum geboren geburtstag naissance ne nee nacimiento nacido \
        nacida nascita nato nata geboortedatum nascimento bday yob geb birthyear datebirth fechanacimiento datenaissance age",
    /// Names a password.
    PASSWORD 13 "password passwd pwd pass passphrase passcode pin passwort kennwort contrasena contrasenya senha motdepasse mdp wachtwoord \
        dbpassword userpassword newpassword oldpassword rootpassword pgpassword mysqlpwd pswd psw otp clave parola identified requirepass \
        storepass keypass masterpassword sshpass",
    /// Names a key or a token.
    TOKEN 14 "token secret apikey key bearer authorization auth credential credentials jwt accesstoken refreshtoken idtoken sessiontoken \
        clientsecret accesskey secretkey secretaccesskey privatekey signingkey encryptionkey apitoken authtoken basic oauth hmac webhook \
        sessionid cookie csrf xsrf sas sig signature pat deploytoken csrftoken awssecretaccesskey awsaccesskeyid xapikey masterkey sessid \
        jsessionid phpsessid sid schlussel cle clave apisecret consumersecret connectionstring accountkey sharedaccesskey",
    /// A month.
    MONTH 15 "january february march april may june july august september october november december jan feb mar apr jun jul aug sep sept \
        oct nov dec januar februar marz mai juni juli oktober dezember janvier fevrier mars avril juin juillet aout septembre octobre \
        novembre decembre enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre gennaio",
    /// A day of the week.
    WEEKDAY 16 "monday tuesday wednesday thursday friday saturday sunday mon tue wed thu fri sat sun montag dienstag mittwoch donnerstag \
        freitag samstag sonntag lundi mardi mercredi jeudi vendredi samedi dimanche lunes martes miercoles jueves viernes sabado domingo",
    /// Names a number that belongs to nobody.
    COUNTER 17 "invoice order ticket case ref reference id no nr number num seq sequence txn transaction trx batch item sku part serial \
        tracking shipment parcel claim job task run request req rechnung bestellung vorgang auftrag facture commande pedido factura ordine \
        fattura po rma asset model catalog isbn issn ean upc gtin lot voucher coupon nummer numero booking reservation confirmation issue bug pr docket \
        article artikel artikelnummer vin imei policy contract matter record row partnumber orderid invoiceid ticketid caseid",
    /// Names a version.
    VERSION 18 "version ver v release build firmware rev revision upgraded upgrade update updated package pkg kernel driver sdk api \
        release image tag installed installing dependency lib library plugin jdk java python node php mysql postgres",
    /// Names a code, a size or a time.
    CODE 19 "error err code errno status exit port pid tid ppid uid gid size bytes len length count total ms sec seconds took time duration \
        offset page line lines col rows limit timeout retry retries attempt attempts percent pct score rate latency memory heap rss cpu \
        stage partition replica shard zone rack slot thread vlan channel queue depth level rc result http hresult signal faultcode eventid \
        mask flags sensor fd inode block blk lat lon latitude longitude width height temperature voltage amount price total sum qty quantity \
        year epoch ts timestamp date expires exp ttl checkpoint generation lsn xid seqno",
    /// Names a hash or an id of machines.
    HASH 20 "commit sha sha1 sha256 sha512 md5 etag digest checksum hash trace traceid span spanid uuid guid correlation correlationid \
        requestid fingerprint crc blob tree branch head rev object container containerid pod podid deviceid instanceid instance mac bssid \
        node nodeid volume snapshot layer manifest merkle nonce parentspan transactionid idempotency build buildid",
    /// A product, a company or a thing that is written like a name.
    PRODUCT 21 "apache tomcat nginx red hat redhat ubuntu debian linux windows microsoft google amazon aws azure oracle java spring boot \
        hadoop spark kafka zookeeper elasticsearch kibana logstash grafana prometheus docker kubernetes jenkins gitlab github jira postgres \
        postgresql mysql mongo mongodb redis rabbitmq cassandra android chrome firefox safari edge intel amd nvidia cisco juniper dell \
        hibernate maven gradle eclipse netty jetty openssl openssh systemd samba postfix dovecot exchange server active directory office \
        visual studio internet explorer mac apple iphone samsung galaxy bluetooth wifi ethernet http https tcp udp dns dhcp ssl tls xml json \
        sql api rest soap service client connection request response session user system security network file error warning info debug \
        fatal exception failed success started stopped starting stopping cluster pool cache data database table index query north south east \
        west new central europe america asia virtual machine hyper desktop power shell terraform ansible vault consul nomad helm istio envoy \
        framework runner pause agent bot workshop studio suite engine driver module plugin extension library toolkit console portal panel dashboard \
        menu screen page dialog window widget button theme mode scheduler worker queue broker handler parser builder compiler linker loader router gateway proxy \
        balancer controller manager monitor watcher daemon kernel shell terminal editor browser player reader writer viewer scanner printer sensor adapter \
        bridge tunnel switch hub node pod container image registry repository branch commit release pipeline workflow job task step stage phase build deploy \
        deployment rollout rollback backup restore snapshot archive export import sync replication migration upgrade update patch hotfix bundle package \
        core base pro enterprise edition premium standard basic lite ultra plus max report summary digest audit review policy rule filter alert incident outage \
        maintenance health heartbeat probe metric trace event message topic stream batch chunk block frame packet segment thread process heap stack garbage \
        collector young old generation eden survivor concurrent parallel full minor major python ruby golang rust scala kotlin swift node npm yarn debugger",
    /// A word of logs that is never a name.
    LOGWORD 22 "info warn warning error debug trace fatal notice critical alert emerg severe fine config the a an and or of to in on at for \
        from with by is was some ok nil undefined has been not no via into over under after before when while unable cannot could failed loaded created closed \
        opened shipped indexed finished completed done running stopped started restarted rotated mounted unmounted registered deregistered \
        received sent sending processing processed accepted rejected denied granted enabled disabled null none true false unknown default",
    /// Says a person did something.
    SAID 23 "called calls says said told asked met spoke wrote signed approved visited booked ordered paid named registered by requested \
        complained confirmed reported assigned admitted discharged hired invited welcome onboarded lives prefers wants owes joined verified \
        rief hat angerufen schrieb appele ecrit llamo escribio pagado confirma bestellte heisst appelle llama",
    /// Ends a company's name.
    COMPANY 24 "inc ltd llc gmbh ag plc corp corporation company co sa sarl srl bv nv ab oy foundation university institute group holdings \
        systems technologies software solutions services labs bank airlines",
    /// Ends a host's name.
    TLD 25 "com org net io edu gov de uk fr es it nl eu ch at be dev info biz ca au jp br mx pl se app local internal test example",
    /// A digit that is spelled, or a mark that is spelled.
    SPELLED 26 "zero one two three four five six seven eight nine oh double triple null eins zwei drei vier funf sechs sieben acht neun un \
        deux trois quatre cinq sept huit neuf uno dos tres cuatro cinco seis siete ocho nueve dot punkt arroba",
    /// Names a machine's side of a connection.
    NETWORK 28 "src dst peer bind listen listening listener server upstream backend gateway route node host neighbor neighbour dns resolver \
        broker master slave replica relay proxy connect connected connecting connection dest destination source nexthop via dev eth0 arp dhcp \
        dhcpack dhcprequest dhcpoffer iface interface subnet netmask vip endpoint socket port tunnel vpn router switch nameserver ntp cluster \
        leader follower member pod container instance mac lease balancer nat masquerade vlan bridge snmp trap ping icmp traceroute hop origin \
        datanode namenode seed quorum healthcheck probe scrape exporter target agent collector hosts rhost dial tcp udp inet addr laddr raddr",
    /// A town, a country or a region.
    PLACE 27 "london paris berlin madrid rome vienna zurich geneva amsterdam brussels dublin lisbon oslo stockholm munich hamburg frankfurt \
        york angeles francisco chicago boston seattle austin dallas denver atlanta miami houston phoenix portland toronto vancouver montreal \
        sydney melbourne tokyo osaka singapore mumbai delhi bangalore springfield lyon marseille barcelona valencia milan naples turin \
        germany france spain italy england ireland scotland wales canada california texas florida virginia ohio oregon utah india china japan",
}

/// The word lists and the names, by hash.
#[derive(Clone, Debug, Default)]
pub struct Lexicon {
    /// Sorted.
    hashes: Vec<u32>,
    classes: Vec<Classes>,
    /// Whether a word with these twelve bits is in the list at all.
    seen: Vec<u64>,
}

impl Lexicon {
    /// The built-in lists and the hashes of given names and surnames.
    #[must_use]
    pub fn with_names(given: &[u32], surnames: &[u32]) -> Self {
        let words = LISTS.iter().flat_map(|(class, words)| {
            words.split_ascii_whitespace().map(|word| (hash_word(word), *class))
        });
        let given = given.iter().map(|hash| (*hash, Classes::GIVEN));
        let surnames = surnames.iter().map(|hash| (*hash, Classes::SURNAME));
        let mut all: Vec<(u32, Classes)> = words.chain(given).chain(surnames).collect();
        all.sort_by_key(|(hash, _)| *hash);
        all.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 = kept.1.with(next.1);
            }
            same
        });
        let mut seen = vec![0; SEEN_WORDS];
        for (hash, _) in &all {
            seen[seen_word(*hash)] |= seen_bit(*hash);
        }
        let (hashes, classes) = all.into_iter().unzip();
        Self { hashes, classes, seen }
    }

    /// What the lists say about the word with this hash.
    #[must_use]
    pub fn classes(&self, hash: u32) -> Classes {
        match self.seen.get(seen_word(hash)) {
            Some(word) if word & seen_bit(hash) != 0 => {
                self.hashes.binary_search(&hash).map_or(Classes::NONE, |at| self.classes[at])
            }
            _ => Classes::NONE,
        }
    }
}

impl Lexicon {
    /// What the lists say about a word that is not in them: its singular, or the words that it is made of.
    #[must_use]
    pub fn parts(&self, folded: &[u8]) -> Classes {
        const NAMES: Classes = Classes::GIVEN.with(Classes::SURNAME);
        if let [word @ .., b's'] = folded
            && word.len() > 3
        {
            let hash = word.iter().fold(HASH_SEED, |hash, byte| hash_step(hash, *byte));
            let classes = self.classes(hash).without(NAMES);
            if !classes.is_empty() {
                return classes;
            }
        }
        self.compound(folded)
    }

    /// What the lists say about the two words that a long one may be made of: `phonenumber`, `Ausweisnummer`. Names are not looked
    /// for inside words.
    #[must_use]
    pub fn compound(&self, folded: &[u8]) -> Classes {
        const NAMES: Classes = Classes::GIVEN.with(Classes::SURNAME);
        if !(7..=24).contains(&folded.len()) {
            return Classes::NONE;
        }
        let mut head = HASH_SEED;
        for (at, byte) in folded[..folded.len() - 3].iter().enumerate() {
            head = hash_step(head, *byte);
            let classes = if at < 2 { Classes::NONE } else { self.classes(head).without(NAMES) };
            if classes.is_empty() {
                continue;
            }
            let tail = &folded[at + 1..];
            // German joins words with an s or an n.
            let tails = [
                tail,
                tail.strip_prefix(b"s").unwrap_or(tail),
                tail.strip_prefix(b"n").unwrap_or(tail),
            ];
            for tail in tails {
                let rest = self
                    .classes(tail.iter().fold(HASH_SEED, |hash, byte| hash_step(hash, *byte)))
                    .without(NAMES);
                if tail.len() > 2 && !rest.is_empty() {
                    return classes.with(rest);
                }
            }
        }
        Classes::NONE
    }
}

const SEEN_WORDS: usize = 512;

const fn seen_word(hash: u32) -> usize {
    (hash >> 6) as usize % SEEN_WORDS
}

const fn seen_bit(hash: u32) -> u64 {
    1 << (hash & 63)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_may_be_of_several_lists() {
        let lexicon = Lexicon::with_names(&[hash_word("April")], &[]);
        let april = lexicon.classes(hash_word("APRIL"));
        assert!(april.meets(Classes::MONTH) && april.meets(Classes::GIVEN));
        assert!(lexicon.classes(hash_word("xyzzy")).is_empty());
    }

    #[test]
    fn long_words_may_be_two() {
        let lexicon = Lexicon::with_names(&[hash_word("Grace")], &[]);
        assert!(lexicon.compound(b"telefonnummer").meets(Classes::PHONE));
        assert!(lexicon.compound(b"geburtsdatumsfeld").is_empty());
        assert!(lexicon.compound(b"username").meets(Classes::NAMEKEY));
        assert!(lexicon.compound(b"gracename").is_empty());
        assert!(lexicon.compound(b"throttled").is_empty());
    }

    #[test]
    fn accents_do_not_hide_a_word() {
        let lexicon = Lexicon::with_names(&[], &[]);
        assert!(lexicon.classes(hash_word("Prénom")).meets(Classes::NAMEKEY));
        assert!(lexicon.classes(hash_word("Empfänger")).meets(Classes::PERSON));
    }
}
