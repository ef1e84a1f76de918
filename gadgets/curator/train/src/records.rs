//! Records: several named values in one notation.

use crate::line::{Text, json_escape, url_escape, xml_escape};
use crate::notations::{Escape, NOTATIONS, Notation};
use crate::people::capital;
use crate::rng::Rng;
use crate::slots::fill;

/// Names that programmers give a value, and the slot that fills it. `_` parts words.
const KEYS: &[(&str, &str)] = &[
    (
        "name",
        "name full_name customer_name user_name display_name contact_name patient_name holder_name employee_name recipient account_holder \
        owner_name cardholder_name applicant passenger_name nombre nom_complet vollname kunde beneficiary_name guest_name signer subscriber_name \
        legal_name person real_name payer customer driver_name author_name assignee reporter naam sender_name buyer_name resident",
    ),
    (
        "given",
        "first_name given_name fname vorname prenom nombre_pila forename first voornaam nome",
    ),
    (
        "surname",
        "last_name surname family_name lname nachname nom_famille apellido last cognome achternaam maiden_name",
    ),
    (
        "email",
        "email email_address mail user_email contact_email e_mail login_email to from recipient_email correo reply_to customer_email \
        primary_email notify_to billing_email owner_email subscriber username login user account contact addr rcpt courriel mailto principal",
    ),
    (
        "barephone",
        "phone phone_number mobile tel telephone msisdn cell contact_phone mobile_no home_phone work_phone telefon fax caller_id \
        callback_number phone1 customer_phone handy telefono sms_to whatsapp ani called_number calling_party dialed emergency_phone mobil gsm",
    ),
    (
        "ssn",
        "ssn social_security_number social_security ssn_number soc_sec_no tax_ssn employee_ssn ss_number applicant_ssn social_sec_num",
    ),
    (
        "card",
        "card card_number pan cc_number credit_card cc card_no ccnum debit_card payment_card account_number card_num primary_account_number \
        kartennummer numero_tarjeta carte_bancaire cardnumber instrument funding_source",
    ),
    (
        "iban",
        "iban bank_account account_iban beneficiary_iban creditor_account debtor_iban payout_account konto to_account from_account \
        kontonummer compte account sepa_account destination",
    ),
    (
        "nid",
        "national_id passport_number passport passport_no tax_id nino nhs_number steuer_id dni cpf personal_id id_number pesel bsn \
        national_insurance identity_number aadhaar sin codice_fiscale numero_secu driver_license licence_no citizen_id personnummer tin",
    ),
    (
        "cip",
        "client_ip user_ip remote_user_ip customer_ip source_ip_of_user login_ip visitor_ip user_ip_address x_forwarded_for \
        session_ip signup_ip member_ip last_login_ip registration_ip caller_ip subscriber_ip",
    ),
    (
        "addr",
        "address street_address shipping_address billing_address home_address addr address_line1 delivery_address street anschrift \
        adresse direccion residence mailing_address ship_to bill_to lieferadresse pickup_address location_address domicilio postal_address",
    ),
    (
        "dob",
        "dob date_of_birth birth_date birthday birthdate born geburtsdatum date_naissance fecha_nacimiento patient_dob born_on",
    ),
    (
        "pass",
        "password passwd pwd pass user_password db_password new_password old_password passphrase passwort mot_de_passe contrasena secret_pin \
        login_password admin_pass root_pw mysql_pwd keystore_password smtp_pass db_pass redis_password",
    ),
    (
        "key",
        "api_key apikey access_key secret_key token auth_token access_token api_token client_secret x_api_key bearer secret_access_key \
        refresh_token private_token webhook_secret signing_secret app_key secret service_key encryption_key id_token credential bot_token \
        deploy_token license_secret consumer_secret subscription_key auth_key account_key shared_key",
    ),
    (
        "jwt",
        "jwt token id_token access_token authorization auth session_jwt assertion bearer_token",
    ),
    (
        "secret",
        "client_secret secret session_token session_secret cookie_secret csrf_token shared_secret app_secret otp_secret totp_secret \
        hmac_key master_key session_key sid_token recovery_code reset_token magic_link_token nonce_secret",
    ),
    ("pem", "private_key key tls_key ssh_key pem signing_key service_account_key"),
];

/// Names of values that may be seen.
const HARMLESS: &[(&str, &str)] = &[
    (
        "int",
        "count total size bytes retries attempt age_days level priority rows items qty points score rank position weight index seq",
    ),
    (
        "id",
        "id user_id request_id order_id txn_id session ref reference customer_id account_id correlation_id job_id event_id tenant device_id \
        invoice_id ticket_id batch cart_id payment_id parent_id message_id",
    ),
    (
        "n9",
        "order_no invoice_number ticket case_number po_number batch_id member_no reference_no policy_number employee_number booking claim_no",
    ),
    (
        "fakecard",
        "order_id transaction_ref trace_number sequence ledger_entry block_id voucher rrn arn tracking_number snowflake",
    ),
    ("fakessn", "invoice ticket part_number case_id sku docket article_no lot po contract_no"),
    (
        "fakephone",
        "order ticket ext_ref serial error_code job part reference code room batch_code sku",
    ),
    (
        "uuid",
        "request_id trace_id correlation_id uuid guid instance session_id pod_uid idempotency_key x_request_id",
    ),
    ("hex40", "commit sha digest etag checksum rev parent git_sha hash fingerprint"),
    ("hex64", "sha256 image_digest content_hash merkle_root block_hash"),
    ("hex16", "span_id trace parent_span spanid"),
    ("b64", "etag content_md5 digest integrity cursor page_token continuation sri"),
    (
        "ver",
        "version release build app_version sdk firmware agent_version schema kernel os_version",
    ),
    (
        "ts",
        "ts time timestamp created_at updated_at date expires expires_at started finished last_seen valid_until deadline",
    ),
    (
        "date",
        "date due_date release_date hire_date effective_from billing_period start_date expiry shipped_on created",
    ),
    ("adj", "status state result mode type kind reason phase health visibility"),
    (
        "noun",
        "component module resource action scope topic category operation step service queue name kind table",
    ),
    ("place", "city region country location datacenter zone branch office site store timezone"),
    (
        "product",
        "product app application model os browser plan vendor title name description software device_name item campaign",
    ),
    ("host", "host hostname server node upstream peer backend broker target name"),
    (
        "ip",
        "bind listen peer dst server_ip upstream_addr gateway node_ip pod_ip nexthop dns local_addr host_ip target_ip",
    ),
    ("port", "port dport sport listen_port"),
    ("path", "path uri file route dir endpoint url"),
    ("ms", "duration_ms latency elapsed took ms ttl timeout rtt wait"),
    ("amount", "amount total price balance fee tax subtotal cost"),
    ("cur", "currency cur ccy"),
    ("class", "logger class caller source handler name exception"),
    ("thread", "thread worker executor"),
    ("level", "level severity lvl"),
    ("mac", "mac bssid hwaddr device_mac"),
    ("isbn", "isbn ean gtin barcode upc"),
    ("tracking", "tracking tracking_no shipment waybill parcel consignment"),
    ("serial", "serial imei asset_tag model_no license_id hw_serial device_serial"),
    ("geo", "coords location latlng position geo"),
    ("login", "user owner uid role group account login run_as principal actor"),
    ("code", "status code http_status rc"),
    ("masked", "card pan ssn password token secret email phone api_key account"),
    ("float", "cpu load ratio temperature confidence lat lon rate"),
];

/// How the words of a key are written together.
fn styled(key: &str, style: usize, rng: &mut Rng) -> String {
    let words: Vec<&str> = key.split('_').collect();
    let camel = |first: bool| -> String {
        words
            .iter()
            .enumerate()
            .map(|(i, word)| if i > 0 || first { capital(word) } else { (*word).to_owned() })
            .collect()
    };
    let plain = match style {
        0..3 => key.to_owned(),
        3 | 4 => camel(false),
        5 => camel(true),
        6 => words.join("-"),
        7 => key.to_uppercase(),
        8 => words.concat(),
        9 => words.iter().map(|word| capital(word)).collect::<Vec<_>>().join(" "),
        10 => words.join("."),
        _ => words.join(" "),
    };
    match rng.below(30) {
        0 => format!("user.{plain}"),
        1 => format!(
            "{}_{plain}",
            rng.word("customer src dst old new req payload acct ctx primary tmp p")
        ),
        2 => format!("{plain}{}", rng.between(1, 3)),
        _ => plain,
    }
}

/// A field: a key and its value. `values` of a hundred are of people or secret.
fn field(rng: &mut Rng, values: usize) -> (String, Text) {
    let list = if rng.percent(values) { KEYS } else { HARMLESS };
    let (slot, keys) = list[rng.below(list.len())];
    let slot = if slot == "barephone" && rng.percent(70) { "phone" } else { slot };
    (rng.word(keys).to_owned(), fill(slot, rng))
}

fn fields(rng: &mut Rng) -> Vec<(String, Text)> {
    let values = rng.pick(&[&30_usize, &55, &80]);
    let count = rng.between(1, 7);
    (0..count).map(|_| field(rng, *values)).collect()
}

fn harmless_fields(rng: &mut Rng) -> Vec<(String, Text)> {
    let count = rng.between(1, 7);
    (0..count).map(|_| field(rng, 0)).collect()
}

fn write(notation: &Notation, fields: Vec<(String, Text)>, rng: &mut Rng) -> Text {
    let style = notation.styles[rng.below(notation.styles.len())];
    let mut text = Text::plain(notation.open);
    for (i, (key, value)) in fields.into_iter().enumerate() {
        if i > 0 {
            text.push(notation.between);
        }
        let key = styled(&key, style, rng);
        text.push(notation.key.0);
        text.push(&key);
        text.push(notation.key.1);
        let number = value
            .0
            .iter()
            .all(|piece| piece.text.bytes().all(|b| b.is_ascii_digit()) && piece.text.len() < 17);
        let bare = number
            && matches!(notation.escape, Escape::Json | Escape::JsonTwice)
            && rng.percent(50);
        let (before, after) = if bare { ("", "") } else { notation.value };
        text.push(before);
        match notation.escape {
            Escape::None => text.append(value),
            Escape::Json => text.append(value.map(json_escape)),
            Escape::JsonTwice => text.append(value.map(|text| json_escape(&json_escape(text)))),
            Escape::Url => text.append(value.map(|text| url_escape(&text.replace("%40", "@")))),
            Escape::Form => text.append(value.map(|text| {
                url_escape(&text.replace("%40", "@").replace(' ', "+")).replace("%2B", "+")
            })),
            Escape::Xml => text.append(value.map(xml_escape)),
            Escape::Quote => {
                let quote = value.0.iter().any(|piece| piece.text.contains([' ', '"', '=']));
                text.push(if quote { "\"" } else { "" });
                text.append(value.map(|text| text.replace('"', "'")));
                text.push(if quote { "\"" } else { "" });
            }
        }
        text.push(after);
    }
    text.push(notation.close);
    text
}

fn xml_elements(fields: Vec<(String, Text)>, rng: &mut Rng) -> Text {
    let style = rng.pick(&[&0_usize, &3, &5, &6]);
    let root = rng.pick(&["", "record", "ns2:person", "soap:Body", "Customer", "entry"]);
    let mut text = Text::default();
    let tag = |text: &mut Text, name: &str, end: &str| {
        if !name.is_empty() {
            text.push(&format!("<{end}{name}>"));
        }
    };
    tag(&mut text, root, "");
    for (key, value) in fields {
        let key = styled(&key, *style, rng);
        tag(&mut text, &key, "");
        text.append(value.map(xml_escape));
        tag(&mut text, &key, "/");
    }
    tag(&mut text, root, "/");
    text
}

/// Names first, then values: CSV with its header, or SQL.
fn table(fields: Vec<(String, Text)>, sql: bool, rng: &mut Rng) -> Text {
    let style = rng.pick(&[&0_usize, &3, &7]);
    let keys: Vec<String> = fields.iter().map(|(key, _)| styled(key, *style, rng)).collect();
    let (separator, quote) = if sql {
        (", ", "'")
    } else {
        (rng.pick(&[",", ";", "\\t", "|"]), rng.pick(&["", "", "\""]))
    };
    let mut text = if sql {
        let table = rng.word("users customers accounts patients orders sessions audit_log employees payments contacts");
        match rng.below(3) {
            0 => {
                let mut text = Text::plain(format!("UPDATE {table} SET "));
                for (i, (key, (_, value))) in keys.iter().zip(fields).enumerate() {
                    text.push(&format!("{}{key} = '", if i > 0 { ", " } else { "" }));
                    text.append(value);
                    text.push("'");
                }
                text.push(&format!(" WHERE id = {}", rng.below(99_999)));
                return text;
            }
            1 => {
                let mut text = Text::plain(format!("SELECT * FROM {table} WHERE "));
                for (i, (key, (_, value))) in keys.iter().zip(fields).enumerate() {
                    text.push(&format!(
                        "{}{key}{}'",
                        if i > 0 { " AND " } else { "" },
                        rng.pick(&["=", " = ", " LIKE ", " IN ("])
                    ));
                    text.append(value);
                    text.push("'");
                }
                return text;
            }
            _ => Text::plain(format!("INSERT INTO {table} ({}) VALUES (", keys.join(", "))),
        }
    } else {
        Text::plain(if rng.percent(60) {
            keys.join(separator) + rng.pick(&["\\n", " => ", " :: "])
        } else {
            String::new()
        })
    };
    for (i, (_, value)) in fields.into_iter().enumerate() {
        text.push(if i > 0 { separator } else { "" });
        text.push(quote);
        text.append(value);
        text.push(quote);
    }
    text.push(if sql { ")" } else { "" });
    text
}

/// Values alone, in a row.
fn row(fields: Vec<(String, Text)>, rng: &mut Rng) -> Text {
    let (open, quote, between, close) = *rng.choice(&[
        ("", "", ",", ""),
        ("", "", ";", ""),
        ("", "", "|", ""),
        ("", "", "\t", ""),
        ("", "\"", ",", ""),
        ("\"", "", ";", "\""),
        ("(", "", ", ", ")"),
        ("(", "'", ", ", ")"),
        ("[", "\"", ",", "]"),
        ("[", "'", ", ", "]"),
        ("", "", " | ", ""),
        ("", "", " / ", ""),
        ("", "", "^", ""),
        ("", "", ", ", ""),
    ]);
    let mut text = Text::plain(open);
    for (i, (_, value)) in fields.into_iter().enumerate() {
        text.push(if i > 0 { between } else { "" });
        text.push(quote);
        text.append(value);
        text.push(quote);
    }
    text.push(close);
    text
}

/// A row of a table of people, as one exports it: a number, names, where they are reached.
fn people_row(harmless: bool, rng: &mut Rng) -> Text {
    const PERSON: &[&str] = &[
        "name", "given", "surname", "name", "email", "email", "phone", "dob", "addr", "ssn",
        "card", "iban", "nid",
    ];
    const THING: &[&str] = &[
        "product", "noun", "title", "place", "adj", "host", "date", "amount", "n9", "cur", "ver",
        "class", "svc", "code", "serial",
    ];
    let mut fields = Vec::new();
    let named = |slot: &str, rng: &mut Rng| (slot.to_owned(), fill(slot, rng));
    if rng.percent(60) {
        fields.push(named(rng.pick(&["int", "id", "n6", "n9", "uuid", "date", "ts"]), rng));
    }
    if !harmless && rng.percent(40) {
        let both = if rng.percent(50) { ["given", "surname"] } else { ["surname", "given"] };
        fields.extend(both.map(|slot| named(slot, rng)));
    }
    for _ in 0..rng.between(2, 5) {
        let thing = harmless || rng.percent(20);
        fields.push(named(rng.pick(if thing { THING } else { PERSON }), rng));
    }
    if rng.percent(50) {
        fields.push(named(rng.pick(&["adj", "small", "cur", "date", "amount", "noun"]), rng));
    }
    row(fields, rng)
}

/// A record in the notation of this name; `n_` before it makes all its values harmless.
pub(crate) fn record(slot: &str, rng: &mut Rng) -> Option<Text> {
    let (slot, harmless) = slot.strip_prefix("n_").map_or((slot, false), |slot| (slot, true));
    let mut fields = if harmless { harmless_fields(rng) } else { fields(rng) };
    match slot {
        "r_xml" => return Some(xml_elements(fields, rng)),
        "r_csv" => return Some(table(fields, false, rng)),
        "r_sql" => return Some(table(fields, true, rng)),
        "r_row" => return Some(row(fields, rng)),
        "r_people" => return Some(people_row(harmless, rng)),
        "r_nested" => {
            let (_, json) = NOTATIONS.iter().find(|(name, _)| *name == "r_json")?;
            let json = &json[rng.below(2)];
            let inner = fields.split_off(fields.len() / 2);
            let outer = rng.word("user data payload customer profile contact account details request body billing patient order args");
            let mut text = write(json, fields, rng);
            if let Some(last) = text.0.last_mut().filter(|last| last.text.ends_with('}')) {
                last.text.pop();
            }
            text.push(&format!(
                "{}\"{outer}\":",
                if text.0.len() > 1 || text.0[0].text.len() > 2 { "," } else { "" }
            ));
            text.append(write(json, inner, rng));
            text.push("}");
            return Some(text);
        }
        "r_array" => {
            let mut text = Text::plain("[");
            let (slot, _) =
                if harmless { HARMLESS[rng.below(HARMLESS.len())] } else { KEYS[rng.below(5)] };
            for i in 0..rng.between(1, 4) {
                text.push(if i > 0 { ",\"" } else { "\"" });
                text.append(fill(slot, rng));
                text.push("\"");
            }
            text.push("]");
            return Some(text);
        }
        _ => {}
    }
    let (_, notations) = NOTATIONS.iter().find(|(name, _)| *name == slot)?;
    Some(write(&notations[rng.below(notations.len())], fields, rng))
}
