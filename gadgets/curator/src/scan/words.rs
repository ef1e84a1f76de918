//! The words that values stand beside, in the languages that logs are written in, and what each one means.

/// What to look for at a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sense {
    /// A key whose value is this.
    Key(Key),
    /// The beginning of a token of a known form.
    Token(Token),
    /// Somebody's name comes after it.
    Person(Phrase),
    /// Somebody's address on the network comes after it.
    Owner(Owner),
    /// `at` in a mail address in words.
    At,
    /// A word for a street after its name: `Long Street`.
    Street,
    /// A word for a street before its name: `rue Longue`.
    Rue,
    /// A figure in words.
    Figure,
    /// A program whose options have passwords.
    Program,
    /// The name of a segment whose fields are told by their places.
    Segment,
    /// The values of rows whose columns are named before it.
    Rows,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Password,
    /// A few digits.
    Pin,
    /// Long and random.
    Secret,
    /// The rest of the line: `Authorization: Bearer x`.
    Authorization,
    /// Several settings in one text, of which one is a password.
    Connection,
    Ssn,
    NationalId,
    BirthDate,
    Place,
    /// Of a person, or of a thing.
    Name,
    /// Of a person alone.
    PersonName,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phrase {
    /// A title or a salutation: the next words with a capital are a name.
    Title,
    /// `approved by`, `on behalf of`: two words with a capital.
    Doer,
    /// `for`, `by`, `from`: only a name that may be known as one.
    Preposition,
    /// `customer`, `patient`: two words with a capital.
    Role,
}

/// Whose address on the network it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// Somebody's.
    Known,
    /// Somebody's, if the key has them in it: `user_ip`, `pod_ip`.
    Key,
    /// Somebody's, if the line has something else of theirs.
    Maybe,
    /// Somebody is spoken of; the address may follow.
    Person,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// Fixed beginning, then at least this many letters, digits, `-`, `_`.
    Prefix {
        least: u8,
    },
    /// As many capitals and digits as this, no more.
    Capitals {
        count: u8,
    },
    Jwt,
    Pem,
    /// The rest of a URL.
    Path,
    /// The hash of a password.
    Crypt,
    /// What a browser is sent back with, `?code=x&state=y`.
    Code,
}

const fn prefix(least: u8) -> Sense {
    Sense::Token(Token::Prefix { least })
}

impl Sense {
    /// False if a word that `next` comes after is none of this sense: few may go on with a letter.
    pub(super) fn goes_before(self, next: u8) -> bool {
        match self {
            Self::Person(Phrase::Preposition) => matches!(next, b' ' | b'+' | b':'),
            Self::Key(Key::Pin | Key::Authorization | Key::Name | Key::PersonName)
            | Self::Person(_)
            | Self::At
            | Self::Street
            | Self::Rue
            | Self::Figure => !next.is_ascii_alphabetic(),
            Self::Segment => matches!(next, b'|' | b'*' | b'+' | b'[' | b';' | b' '),
            Self::Rows => matches!(next, b' ' | b'('),
            Self::Key(_) | Self::Owner(_) | Self::Token(_) | Self::Program => true,
        }
    }

    /// True if it may be a word that comes after a digit or a byte above 0x7f.
    pub(super) fn goes_after_digits(self) -> bool {
        match self {
            Self::Key(key) => matches!(key, Key::Name | Key::PersonName),
            Self::Token(token) => matches!(token, Token::Jwt | Token::Path | Token::Crypt),
            Self::Program => true,
            _ => false,
        }
    }
}

/// Every word with its sense.
pub(super) fn words() -> impl Iterator<Item = (&'static str, Sense)> {
    WORDS.iter().flat_map(|(sense, words)| words.iter().map(|word| (*word, *sense)))
}

#[rustfmt::skip]
const WORDS: &[(Sense, &[&str])] = &[
    (Sense::Key(Key::Password), &[
        "password", "passwd", "pwd", "passphrase", "passcode", "pass", "userpass", "passw", "psw", "passwort", "kennwort", "contrasena",
        "contraseña", "mot de passe", "mot_de_passe", "motdepasse", "senha", "parola", "parola d'ordine", "wachtwoord", "lösenord",
        "losenord", "adgangskode", "haslo", "hasło", "salasana", "heslo", "mdp", "clave", "requirepass", "masterauth",
        "keypass", "storepass", "identified by", "psk", "wpa_passphrase", "preshared_key", "pre_shared_key", "pre-shared key", "pre-shared-key", "snmp community", "snmp_community",
        "rocommunity", "rwcommunity", "userpassword", "dbpassword", "rootpassword", "adminpassword", "kodeord",
        "bindpw", "rootpw", "pgpassword", "rediscli_auth", "convertto-securestring",
    ]),
    (Sense::Key(Key::Pin), &["pin", "pin_code", "pin code", "pincode", "otp", "cvv", "cvc", "cvv2", "cvc2", "security code", "passcode_sms", "tan", "mfa_code", "verification code", "verification_code", "one-time code"]),
    (Sense::Key(Key::Secret), &[
        "secret", "token", "api_key", "apikey", "api-key", "api key", "access_key", "accesskey", "access-key", "access key", "secret_key",
        "secretkey", "secret key", "secret-key", "private_key", "privatekey", "private-key", "auth_key", "authkey", "auth-key",
        "credential", "credentials", "account_key", "accountkey", "account-key", "sharedaccesskey", "sharedkey", "shared_key",
        "signing_key", "signing-key", "signingkey", "encryption_key", "encryptionkey", "encryption-key", "master_key", "masterkey",
        "webhook_key", "license_key", "licensekey", "licence_key", "app_key", "appkey", "app-key", "application_key", "service_key",
        "client_key", "consumer_key", "session_key", "sessionkey", "schluessel", "schlüssel", "geheimnis", "zugangsschlüssel", "clave_api",
        "chave", "segredo", "secreto", "cle_api", "clé_api", "x-auth", "x-api", "sig", "sas", "x-amz-signature", "x-amz-security-token",
        "jsessionid", "phpsessid", "xsrf", "csrf", "connect.sid", "jwt", "auth", "authtoken",
        "auth_token", "accesstoken", "access_token", "refreshtoken", "refresh_token", "idtoken", "id_token", "bottoken", "oauth",
        "client_secret", "clientsecret", "client-secret", "app_secret", "appsecret", "hmac", "salt", "nonce_secret", "cookie", "set-cookie", "jeton",
        "password_hash", "passwordhash", "recovery_code", "backup_code", "seed_phrase", "api_secret", "apisecret", "subscription-key", "ocp-apim",
    ]),
    (Sense::Key(Key::Authorization), &["bearer", "basic", "authorization", "proxy-authorization"]),
    (Sense::Key(Key::Connection), &["connection_string", "connectionstring", "connection-string", "connection string", "conn_str", "connstr", "connstring", "dsn", "data source"]),
    (Sense::Key(Key::Ssn), &["ssn", "social security", "social_security", "social-security", "socialsecurity", "social", "itin", "sozialversicherungsnummer", "soc sec"]),
    (Sense::Key(Key::NationalId), &[
        "passport", "reisepass", "passeport", "pasaporte", "passaporte", "passaporto", "national_id", "nationalid", "national id",
        "national-id", "national insurance", "nino", "driver_license", "drivers_license", "driver license", "driver licence",
        "driver's license", "driverlicense", "driving licence", "driving license", "licence no", "license no", "führerschein",
        "fuehrerschein", "permis de conduire", "tax_id", "taxid", "tax id", "tax-id", "tax number", "codice fiscale", "codice_fiscale",
        "codicefiscale", "steuer-id", "steuerid", "steuer_id", "steuernummer", "steueridentifikationsnummer", "personalausweis",
        "ausweisnummer", "carte d'identité", "numero de identidad", "dni", "nie", "nif", "curp", "rfc_fiscal", "personnummer", "cpr",
        "hetu", "henkilötunnus", "bsn", "pesel", "cpf", "cnpj", "aadhaar", "aadhar", "pan card", "nhs", "medicare", "ahv", "avs", "nir",
        "insee", "rodne cislo", "egn", "cnp", "oib", "rodné číslo", "rodne_cislo", "rodnecislo",
        "snils", "tc_kimlik_no", "tckimlikno", "tc kimlik no", "tc kimlik", "tckn", "amka", "licensenumber", "license_number", "licencenumber",
        "licence_number", "burgerservicenummer", "nr_dowodu", "my_number", "cccd", "nik", "driverslicense", "id card", "id_card", "idcard", "identity card", "identity_number", "identity number",
    ]),
    (Sense::Key(Key::BirthDate), &[
        "dob", "d.o.b", "birth", "birthdate", "birth_date", "birth date", "birth-date", "birthday", "bday", "date of birth",
        "date_of_birth", "date-of-birth", "dateofbirth", "geburtsdatum", "geburtstag", "geboren", "geboren am", "geb.", "born", "born on",
        "fecha_nacimiento", "fechanacimiento", "fecha de nacimiento", "fecha_de_nacimiento", "nacimiento", "nacido", "nacida", "date de naissance",
        "date_de_naissance", "date_naissance", "datenaissance", "naissance", "né le", "née le", "data_nascimento", "datanascimento", "data de nascimento",
        "data_de_nascimento", "nascimento", "nascido", "nascida", "data di nascita", "data_nascita", "datanascita", "nato il", "nata il", "nascita", "geboortedatum",
        "födelsedatum", "fødselsdato", "data urodzenia", "data_urodzenia", "gbdat", "birth day", "birth_day", "born in", "datum narození", "datum_narozeni", "narozen", "narozena", "született", "data nașterii", "data_nasterii", "doğum tarihi", "dogum_tarihi", "syntymäaika", "né à", "ngày sinh", "tanggal lahir",
    ]),
    (Sense::Key(Key::Place), &[
        "address", "addr", "street", "street_address", "streetaddress", "address1", "address2", "address_line1", "address_line", "addressline1", "address_line_1", "adresse", "anschrift", "strasse",
        "straße", "wohnort", "direccion", "dirección", "domicilio", "domicile", "endereco", "endereço", "indirizzo", "adres", "adress", "ship_to", "shipto", "ship to",
        "shipping address", "shipping_address", "shippingaddress", "billing address", "billing_address", "billingaddress", "home address", "home_address",
        "homeaddress", "delivery address", "delivery_address", "lives at", "living at", "resides at", "residing at", "deliver to",
        "delivered to", "shipped to", "wohnhaft in", "lieferadresse", "rechnungsadresse", "mailing address", "postal address", "residence", "addressline", "adrline", "adrline1", "address_1", "street1", "street2", "line1", "line2", "stras", "addrline", "property at", "i moved to", "i live at", "wohnhaft", "ich wohne in", "vivo en", "j'habite au", "j'habite", "habite au", "abito in", "moro na", "mieszkam przy", "mailing address to", "address to", "address is", "indirizzo di spedizione", "adresse de livraison", "dirección de envío", "bezorgadres", "teslimat adresi", "lakcím", "adresa",
    ]),
    (Sense::Key(Key::Name), &["name", "nombre", "nom", "nome", "naam", "namn", "navn", "imie", "imię"]),
    (Sense::Key(Key::PersonName), &[
        "fullname", "full_name", "full-name", "full name", "firstname", "first_name", "first-name", "first name", "lastname", "last_name",
        "last-name", "last name", "surname", "forename", "given_name", "givenname", "given name", "family_name", "familyname",
        "family name", "middle_name", "middlename", "maiden_name", "maiden name", "displayname", "display_name", "realname", "real_name", "customername", "customer_name", "customer name",
        "patientname", "patient_name", "patient name", "cardholder_name", "cardholdername", "holder_name", "holdername",
        "account_holder", "accountholder", "contact_name", "contactname", "employee_name", "employeename", "legal_name",
        "beneficiary_name", "recipient_name", "sender_name", "billing_name", "shipping_name", "user_full_name", "personname", "vorname", "nachname",
        "familienname", "prenom", "prénom", "nom_complet", "apellido", "apellidos", "nombre_completo", "sobrenome", "nome_completo", "cognome", "achternaam", "voornaam",
        "fname", "lname", "sn", "gecos", "nm", "cn", "vollname", "nombrepila", "real name", "voller name", "nazwisko", "efternamn", "förnamn", "geburtsname", "name_on_card", "nameoncard", "given", "given names", "given_names", "givennames", "family", "name1", "nachn", "vorna", "attentionname", "attention_name", "addressee", "creditor_name", "debtor_name", "debtorname", "creditorname", "beneficiaryname", "recipientname", "contactperson", "contact_person", "guest_name", "guestname", "passenger_name", "passengername", "policyholder_name", "insured_name", "subscriber_name", "guardian_name", "parent_name", "student_name", "studentname", "member_name", "membername", "clientname", "client_name", "user_real_name",
    ]),
    (Sense::Person(Phrase::Role), &[
        "customer", "patient", "client", "user", "employee", "member", "cardholder", "card holder", "holder", "beneficiary", "recipient",
        "payee", "payer", "sender", "passenger", "guest", "student", "applicant", "subscriber", "insured", "tenant", "driver", "caller",
        "contact", "author", "assignee", "reporter", "owner", "agent", "doctor", "nurse", "physician", "operator", "attendee", "candidate", "buyer", "seller", "debtor", "borrower", "claimant",
        "visitor", "donor", "signatory", "spouse", "account holder", "approver", "reviewer", "technician", "kunde", "kundin", "kunden",
        "patientin", "empfänger", "absender", "kontoinhaber", "benutzer", "nutzer", "ansprechpartner", "cliente", "usuario", "usuário", "utilisateur",
        "paciente", "titular", "beneficiario", "destinatario", "destinataire", "expéditeur", "bénéficiaire", "titulaire", "mitarbeiter", "mitarbeiterin", "empleado", "paziente",
        "klant", "person", "attn", "c/o", "z.hd.", "manager", "flyer", "traveller", "traveler", "kin", "next of kin", "parent", "requester", "requestor", "submitter", "teacher", "resident", "consignee", "policyholder", "accountholder", "utente", "intestatario", "client name", "creditor", "shipto", "neighbour", "neighbor", "guardian", "voter", "mother", "father", "pagador", "pagadora", "ordenante", "beneficiaria", "assicurato", "assicurata", "contraente", "versicherter", "versicherte", "versicherungsnehmer", "kontakt", "gość", "klient", "klientka", "pacjent", "pacjentka", "zákazník", "müşteri", "hasta", "asiakas", "kunde", "pelanggan", "khách hàng", "employee name", "fn", "citizen", "odbiorca", "nadawca", "profile loaded", "record match", "mailbox", "emftx", "name on card",
    ]),
    (Sense::Person(Phrase::Doer), &[
        "started by", "approved by", "signed by", "signed for by", "returned to", "talked with", "background check on", "report for", "result for", "ask for", "request by", "edited by", "contact of", "contact for", "note by", "won with", "printed for", "card of", "text from", "referral from", "home of", "mailed to", "requested by", "created by", "opened by", "closed by", "submitted by", "sent by",
        "uploaded by", "changed by", "updated by", "modified by", "deleted by", "reported by", "initiated by", "authorized by",
        "authorised by", "reviewed by", "assigned to", "paid by", "ordered by", "booked by", "made by", "cancelled by", "canceled by",
        "performed by", "registered by", "confirmed by", "prescribed by", "on behalf of", "behalf of", "transfer for", "transfer to",
        "payment for", "payment from", "payment to", "refund to", "refund for", "check for", "call from", "call with", "message from", "message to", "email from", "email to", "mail from", "mail to",
        "invoice for", "booking for", "reservation for", "appointment for", "order for", "order from", "prescription for", "account of", "ticket for", "spoke with", "spoke to",
        "speak with", "met with", "issued to", "belongs to", "payable to", "addressed to", "sold to", "billed to", "profile of", "record of", "records of", "records for",
        "signed in as", "logged in as", "login by", "impersonating", "im namen von", "au nom de", "en nombre de", "em nome de", "erstellt von", "créé par", "creado por", "criado por",
        "überweisung an", "virement à", "transferencia a", "transferência para", "shipped to", "delivered to", "deliver to", "ship to", "invited", "attention", "spoke w/", "identified as", "guest profile merged",
        "soy", "me llamo", "mi nombre es", "nombre es", "je m'appelle", "je suis", "mein name ist", "ich heiße", "ich heisse", "ich bin", "mi chiamo", "sono", "sou", "sou o", "sou a", "me chamo",
        "meu nome é", "o meu nome é", "ik ben", "mijn naam is", "nazywam się", "jestem", "jmenuji se", "volám sa", "a nevem", "nevem", "mă numesc", "numele meu este", "jag heter", "mitt namn är", "jeg hedder",
        "jeg heter", "mit navn er", "nimeni on", "olen", "adım", "benim adım", "ben", "nama saya", "saya", "tôi là", "tên tôi là", "i am", "i'm", "my name is", "this is", "here is", "name is", "a favore di", "favor de", "favour of", "favor of", "virement vers", "zugunsten von", "w imieniu",
    ]),
    (Sense::Person(Phrase::Title), &[
        "mr", "mrs", "ms", "mx", "dr", "dear", "hello", "hi", "hey", "herr", "herrn", "frau", "señor", "señora", "senor", "senora", "sr", "sra", "srta", "madame",
        "monsieur", "mme", "mlle", "prof", "professor", "miss", "sir", "madam", "dott", "signor", "signora", "hallo", "bonjour", "hola", "olá", "ola", "ciao", "liebe", "lieber", "cher", "chère", "querido", "querida", "estimado", "estimada",
        "prezado", "prezada", "gentile", "geehrter herr", "geehrte frau", "mevrouw", "dhr", "captain", "welcome", "welcome back", "thanks", "thank you", "dom", "don", "doña", "sehr geehrte frau", "sehr geehrter herr",
    ]),
    (Sense::Person(Phrase::Preposition), &["lead", "billing", "shipping", "contact form", "requested", "vom", "van", "till", "for", "by", "from", "to", "of", "with", "and", "is", "as", "für", "von", "an", "par", "pour", "de", "del", "por", "para", "con", "di", "da", "between", "called", "named", "und", "et"]),
    (Sense::Owner(Owner::Key), &["ip", "ips", "ipaddr", "ipv4", "ipv6"]),
    (Sense::Owner(Owner::Maybe), &["rip", "remote", "remote_host"]),
    (Sense::Owner(Owner::Person), &["home ip of", "ip of", "session of", "logon by", "login by", "sign-in for", "signup of", "player", "shopper", "viewer", "email", "e-mail", "account", "abonné", "abonne"]),
    (Sense::Owner(Owner::Known), &[
        "signed up from", "session_ip", "sessionip", "session ip", "member_ip", "memberip", "signup_ip", "signupip", "useripaddress", "user_ip_address", "remote_user_ip", "remoteuserip", "sourceipofuser",
        "client_ip", "clientip", "client-ip", "client ip", "user_ip", "userip", "user-ip", "user ip", "customer_ip", "customerip", "customer ip", "remote_ip", "remoteip", "login_ip",
        "loginip", "login ip", "visitor_ip", "visitorip", "visitor ip", "visitor", "session from", "logged in from", "logged on from", "log in from", "login from", "login attempt from", "sign-in from", "signin from", "sign in from", "signed in from", "signup from", "registered from", "connected from home", "accessed from", "request from user at", "user at", "customer at", "member at",
        "x-forwarded-for", "x_forwarded_for", "forwarded for", "x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip", "http_x_forwarded_for", "xff", "forwardedfor",
        "ip_address", "ipaddress", "ip address", "ip-address", "ip_addr", "home_ip", "home ip", "device_ip", "deviceip", "device ip", "subscriber_ip", "subscriberip", "subscriber ip",
        "last_ip", "lastip", "last login ip", "last_login_ip", "sender_ip", "senderip", "caller_ip", "callerip", "caller ip", "player_ip", "end_user_ip", "enduserip", "patient_ip", "member_ip", "viewer_ip", "browser_ip", "public_ip", "signup_ip", "registration_ip", "origin_ip",
        "client_addr", "clientaddr", "client address", "clientaddress", "client_address", "remote_addr", "remoteaddr", "user_addr", "ip-adresse", "ip_adresse", "adresse ip", "direccion ip", "dirección ip", "endereço ip", "indirizzo ip", "kunden-ip", "kunden_ip", "ip_cliente", "ip_client", "ip_usuario", "ip du client", "ip del cliente", "ip do cliente",
    ]),
    (Sense::At, &["at", "arroba", "chez"]),
    (Sense::Street, &[
        "street", "st.", "st", "str.", "avenue", "ave", "ave.", "road", "rd", "rd.", "lane", "ln", "ln.", "blvd", "blvd.", "boulevard", "drive",
        "court", "ct", "ct.", "way", "square", "sq", "place", "pl", "terrace", "crescent", "close", "gardens", "parkway", "pkwy", "highway", "hwy", "circle", "cir", "trail", "trl", "row", "mews", "grove", "hill", "loop", "alley", "plaza", "strasse", "straße", "weg", "platz", "allee", "gasse",
    ]),
    (Sense::Rue, &["rue", "avenue", "av.", "boulevard", "calle", "avenida", "paseo", "rua", "praça", "travessa", "via", "viale", "piazza", "corso", "plaza", "chemin", "impasse", "quai", "allée", "carrera", "ulica", "ul."]),
    (Sense::Figure, &[
        "zero", "oh", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "double", "triple", "null", "eins", "zwei", "zwo", "drei",
        "vier", "fünf", "fuenf", "sechs", "sieben", "acht", "neun", "cero", "uno", "dos", "tres", "cuatro", "cinco", "seis", "siete",
        "ocho", "nueve", "zéro", "un", "deux", "trois", "quatre", "cinq", "sept", "huit", "neuf", "um", "dois", "três", "quatro", "sete", "oito", "nove", "meia",
        "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
        "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
    ]),
    (Sense::Program, &["mysql", "mysqldump", "mysqladmin", "mariadb", "sshpass", "curl", "wget", "htpasswd", "redis-cli", "docker login", "mongo", "mongodump", "smbclient", "ldapsearch", "sqlcmd", "useradd", "unzip", "zip", "openssl", "psql", "ldapmodify", "ldapadd", "ldapwhoami", "ldappasswd", "ldapdelete", "bcp", "schtasks", "net use", "net user", "chpasswd", "az login"]),
    (Sense::Segment, &["pid", "nk1", "gt1", "in1", "nm1", "n3", "dmg", "ref", "per", "nad", "cta", "dtm", "doc", "pn ", "da ", "adr", "ssr docs"]),
    (Sense::Rows, &["values"]),
    (Sense::Token(Token::Jwt), &["eyj"]),
    (Sense::Token(Token::Pem), &["begin"]),
    (Sense::Token(Token::Path), &[
        "hooks.slack.com/services/", "hooks.slack.com/workflows/", "discord.com/api/webhooks/", "discordapp.com/api/webhooks/", "webhook.office.com/webhookb2/",
        "api.telegram.org/bot", "hooks.zapier.com/hooks/catch/", "chat.googleapis.com/v1/spaces/",
    ]),
    (Sense::Token(Token::Code), &["code="]),
    (Sense::Token(Token::Crypt), &["y$", "b$", "a$", "y$j9t$", "argon2id$", "argon2i$", "argon2d$", "scrypt$", "pbkdf2-sha", "pbkdf2_sha256$"]),
    (Sense::Token(Token::Capitals { count: 16 }), &["akia", "asia", "abia", "acca", "aroa", "aida", "agpa", "anpa"]),
    (prefix(10), &[
        "sk_live_", "sk_test_", "pk_live_", "pk_test_", "rk_live_", "rk_test_", "whsec_", "xoxb-", "xoxp-", "xoxa-", "xoxr-", "xoxs-",
        "xoxe-", "xoxe.", "xoxc-", "xoxd-", "xapp-", "shpat_", "shpss_", "shpca_", "shppa_", "shippo_live_", "duffel_live_", "github_pat_",
        "sk-ant-", "sk-proj-", "sk-svcacct-", "sk-or-", "glpat-", "glptt-", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "gocspx-",
    ]),
    (prefix(16), &[
        "sk-", "gldt-", "glrt-", "glcbt-", "glft-", "glsoat-", "glimt-", "glagent-", "xwfp-", "sq0atp-", "sq0csp-", "sq0idp-", "hvs.",
        "hvb.", "hvr.", "nrak-", "nrjs-", "nrii-", "nraa-", "gsk_", "xai-", "pplx-", "sntrys_", "sntryu_", "atatt3", "atctt3",
        "dckr_pat_", "dckr_oat_", "pscale_tkn_", "pscale_pw_", "pscale_oauth_", "tskey-", "ya29.", "xkeysib-", "nvapi-", "tvly-", "pcsk_",
        "sb_secret_", "sbp_", "cfut_", "flwseck", "age-secret-key-1", "apify_api_", "lsv2_", "vercel_",
    ]),
    (prefix(24), &[
        "npm_", "pypi-", "hf_", "dop_v1_", "doo_v1_", "dor_v1_", "glsa_", "glc_", "lin_api_", "lin_oauth_", "rubygems_", "tfp_", "pmak-",
        "figd_", "secret_", "ntn_", "pul-", "r8_", "phc_", "phx_", "aiza", "sg.", "dapi", "sl.", "dnkey-", "ops_", "dt0c01.", "waka_",
        "fio-u-", "key-", "pat-", "eaaa", "eaac", "eztk", "rdme_", "rnd_", "fly_", "mlsn.", "jina_", "exponentpushtoken", "sdp_", "oy2",
    ]),
];
