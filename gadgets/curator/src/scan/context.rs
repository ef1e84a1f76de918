//! What the words beside a number say of it.

use super::text::{self, LEFT, is_word};

/// What the words to the left of a number say of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Context {
    Card,
    Ssn,
    Phone,
    Iban,
    National,
    /// It is a number of something else.
    Other,
    /// It is the number of something that no known word tells: `gate no. 12`.
    Unknown,
    Nothing,
}

/// What the words before a number say, kept as long as no other word comes.
#[derive(Default)]
pub(super) struct Said {
    until: usize,
    context: Option<(Context, u8)>,
}

impl Said {
    pub(super) fn of(&mut self, text: &[u8], at: usize) -> (Context, u8) {
        match self.context {
            Some(context) if at < self.until => context,
            _ => {
                let context = context(text, at);
                let numbers = text[at..].iter().take(LEFT);
                let other = |byte: &u8| !is_word(*byte) && *byte != b'\n' || byte.is_ascii_digit();
                let count = numbers.take_while(|byte| other(byte));
                *self = Self { until: at + count.count(), context: Some(context) };
                context
            }
        }
    }
}

/// What the words to the left of `at` say, by the nearest of at most five that says something, and how many that say nothing are in between.
pub(super) fn context(text: &[u8], at: usize) -> (Context, u8) {
    let near = &text[at.saturating_sub(12)..at];
    if near.iter().any(|byte| *byte >= 0x80)
        && let Some(context) = foreign(text, at)
    {
        return (context, 0);
    }
    let mut context = Context::Nothing;
    let (mut far, mut left) = (0, 6);
    let (mut id, mut numbered) = (false, false);
    text::words_before(text, at, |word| {
        // `caller id` is one of the few ids that are numbers of telephones.
        if id {
            // `Calling-Station-Id`, `wa_id`.
            let phone = matches!(word, b"caller" | b"station" | b"wa");
            context = if phone { Context::Phone } else { Context::Other };
            return false;
        }
        context = sense(word);
        if word == b"id" {
            id = true;
            return true;
        }
        if context == Context::Nothing && !is_filler(word) {
            // `gate no. 12`: the number of whatever the word means.
            if numbered && far == 0 && word.len() > 2 {
                context = Context::Unknown;
                return false;
            }
            far += 1;
        }
        numbered = left == 6 && matches!(word, b"no" | b"nr" | b"number" | b"num");
        left -= 1;
        context == Context::Nothing && left > 0
    });
    // `ip-10-0-0-1`: the name of a host.
    if text[..at].ends_with(b"ip-") {
        return (Context::Other, 0);
    }
    // `#123`: a number of something.
    if text::before(text, at) == Some(b'#') && (context == Context::Nothing || far > 0) {
        context = Context::Other;
    }
    (context, far)
}

/// What the word right before `at` says, in letters that are not Latin or with marks.
fn foreign(text: &[u8], at: usize) -> Option<Context> {
    const WORDS: &[(Context, &[&str])] = &[
        (
            Context::Phone,
            &[
                "телефон",
                "Телефон",
                "телефона",
                "тел.",
                "Тел.",
                "номер телефона",
                "電話番号",
                "電話",
                "电话",
                "手机",
                "手机号",
                "手机号码",
                "携帯",
                "전화번호",
                "전화",
                "휴대폰",
                "τηλέφωνο",
                "Τηλέφωνο",
                "κινητό",
                "điện thoại",
                "telefonszám",
                "Telefonszám",
                "teléfono",
                "téléphone",
                "הטלפון",
                "טלפון",
                "الهاتف",
                "هاتف",
            ],
        ),
        (
            Context::National,
            &[
                "СНИЛС",
                "ИНН",
                "паспорт",
                "Паспорт",
                "身份证号",
                "身份证",
                "身份证号码",
                "身分證字號",
                "マイナンバー",
                "個人番号",
                "주민등록번호",
                "rodné číslo",
                "ΑΜΚΑ",
                "ΑΦΜ",
                "رقم الهوية",
                "תעודת זהות",
                "CCCD số",
                "kimlik numarası",
            ],
        ),
    ];
    let left = &text[at.saturating_sub(LEFT)..at];
    let signs = |byte: &u8| matches!(byte, b' ' | b':' | b'=' | b'"' | b'\'' | b'(' | b'+' | b'\\');
    let left = &left[..left.iter().rposition(|byte| !signs(byte)).map_or(0, |last| last + 1)];
    let left = left.strip_suffix("：".as_bytes()).unwrap_or(left);
    let says = |words: &[&str]| words.iter().any(|word| left.ends_with(word.as_bytes()));
    WORDS.iter().find(|(_, words)| says(words)).map(|(context, _)| *context)
}

/// What the words after a number say of it, where they are joined to it: `is the room code`, `(field ssn)`, `as phone`.
pub(super) fn after(text: &[u8], end: usize) -> Context {
    let rest = &text[end..text.len().min(end + LEFT)];
    let rest = rest.strip_prefix(b"\"").or_else(|| rest.strip_prefix(b"'")).unwrap_or(rest);
    let Some(rest) = rest.strip_prefix(b" ") else { return Context::Nothing };
    const JOINED: &[&[u8]] = &[b"is ", b"was ", b"(field ", b"(column ", b"for ", b"as "];
    let Some(rest) = JOINED.iter().find_map(|join| rest.strip_prefix(*join)) else {
        return Context::Nothing;
    };
    let words = rest.split(|byte| *byte == b' ').take(4);
    let mut context = Context::Nothing;
    for word in words {
        let letters = word.iter().take(16).take_while(|byte| byte.is_ascii_alphabetic()).count();
        let mut small = [0; 16];
        small[..letters].copy_from_slice(&word[..letters]);
        small.make_ascii_lowercase();
        context = sense(&small[..letters]);
        if context != Context::Nothing || letters < word.len() {
            break;
        }
    }
    match context {
        Context::National | Context::Iban => Context::Nothing,
        context => context,
    }
}

/// Words that may stand between a word and its number.
#[rustfmt::skip]
fn is_filler(word: &[u8]) -> bool {
    matches!(word,
        b"number" | b"numbers" | b"no" | b"nr" | b"num" | b"is" | b"was" | b"at" | b"to" | b"from" | b"on" | b"me" | b"us" | b"of" | b"my" | b"the" | b"his"
        | b"her" | b"their" | b"your" | b"our" | b"a" | b"an" | b"for" | b"with" | b"sent" | b"via" | b"value" | b"new" | b"old" | b"updated" | b"ist" | b"es"
        | b"est" | b"al" | b"au" | b"unter" | b"numero" | b"nummer" | b"num\xc3\xa9ro" | b"raw" | b"masked" | b"full" | b"entered" | b"provided" | b"given" | b"and" | b"or" | b"in" | b"home" | b"work"
        | b"primary" | b"secondary" | b"alt" | b"alternate" | b"o" | b"d" | b"u" | b"n" | b"e" | b"s" | b"them" | b"him" | b"back" | b"x" | b"exp" | b"m" | b"p" | b"string" | b"text" | b"str" | b"val" | b"field" | b"now" | b"into" | b"valid" | b"invalid" | b"wrong" | b"bad" | b"same" | b"right" | b"under" | b"sec")
}

/// What a word says, with what is joined to it left off: `contractno`, `caseid`, `passportnumber`.
fn sense(word: &[u8]) -> Context {
    let context = sense_of(word);
    if context != Context::Nothing || word.len() < 5 {
        return context;
    }
    if word.ends_with(b"ssn") || word.ends_with(b"securitynumber") {
        return Context::Ssn;
    }
    if word.starts_with(b"telefon") || word.starts_with(b"puhelin") {
        return Context::Phone;
    }
    const JOINED: &[&[u8]] = &[b"number", b"no", b"num", b"nr", b"id", b"ref", b"code"];
    JOINED.iter().find_map(|joined| word.strip_suffix(*joined)).map_or(Context::Nothing, sense_of)
}

#[rustfmt::skip]
fn sense_of(word: &[u8]) -> Context {
    match word {
        b"card" | b"cards" | b"pan" | b"cc" | b"ccn" | b"ccnum" | b"ccnumber" | b"visa" | b"mastercard" | b"amex" | b"maestro" | b"discover" | b"creditcard"
        | b"debit" | b"credit" | b"cardnumber" | b"karte" | b"karten" | b"kartennummer" | b"kreditkarte" | b"kreditkartennummer" | b"carte" | b"tarjeta" | b"cartao" | b"carta" | b"charged" | b"payment" | b"cardno"
        | b"cardnum" | b"plastic" | b"jcb" | b"diners" | b"unionpay" | b"bankcard" | b"paymentcard" | b"debitcard" | b"primaryaccountnumber" => Context::Card,
        b"ssn" | b"ssns" | b"soc" | b"social" | b"socialsecurity" | b"itin" | b"tin" | b"taxpayer" | b"security" | b"ss" | b"ssnumber" | b"socsec" | b"tax" | b"ein" => Context::Ssn,
        b"iban" | b"konto" | b"kontonummer" | b"bic" | b"ibans" | b"sepa" => Context::Iban,
        b"phone" | b"tel" | b"telephone" | b"mobile" | b"cell" | b"cellphone" | b"fax" | b"call" | b"called" | b"caller" | b"calling" | b"callback" | b"sms" | b"whatsapp" | b"msisdn" | b"dial"
        | b"dialed" | b"dialled" | b"dialing" | b"ring" | b"telefon" | b"telefonnummer" | b"handy" | b"handynummer" | b"mobil" | b"mobilnummer" | b"telefono" | b"movil" | b"vil" | b"celular" | b"portable" | b"phonenumber" | b"phoneno"
        | b"mobilenumber" | b"mobileno" | b"texted" | b"hotline" | b"contact" | b"telefone" | b"rufnummer" | b"telefoon" | b"puhelin" | b"reached" | b"reach" | b"phones" | b"ph" | b"voicemail" | b"viber" | b"telegram" | b"landline" | b"recipient"
        | b"userphone" | b"homephone" | b"workphone" | b"cellular" | b"tlf" | b"lphone" | b"anruf" | b"anrufen" | b"appel" | b"llamada" | b"ligar" | b"ligue" | b"cel" | b"gsm" | b"telf" | b"mobilephone" | b"smsc" | b"vonage" | b"twilio" | b"rufen" => Context::Phone,
        b"passport" | b"nhs" | b"dni" | b"nie" | b"nif" | b"cpf" | b"cnpj" | b"aadhaar" | b"aadhar" | b"sin" | b"bsn" | b"pesel" | b"personnummer" | b"steuerid" | b"steuer" | b"nino" | b"tfn" | b"nir" | b"insee"
        | b"nationalid" | b"national" | b"cpr" | b"oib" | b"cnp" | b"egn" | b"avs" | b"ahv" | b"medicare" | b"curp" | b"burgerservicenummer" | b"rijksregisternummer" | b"insurance" | b"identity" | b"steueridentifikationsnummer" | b"citizen" | b"snils" | b"sociale" | b"kimlik" | b"tckn" | b"amka" | b"jmbg" => Context::National,
        b"bill" | b"note" | b"gate" | b"dock" | b"bay" | b"rack" | b"exit" | b"status" | b"reason" | b"incident" | b"merged" | b"arn" | b"rrn" | b"snowflake" | b"checkpoint" | b"coupon" | b"voucher" | b"cardinality" | b"container" | b"reading" | b"meter" | b"points" | b"consignment" | b"waybill"
        | b"snapshot" | b"benchmark" | b"contract" | b"article" | b"fault" | b"alarm" | b"change" | b"pr" | b"room" | b"clause" | b"http" | b"https" | b"report" | b"rsp" | b"invoice" | b"invoices" | b"order" | b"orders" | b"ticket" | b"tickets" | b"batch" | b"ref" | b"reference" | b"version" | b"build" | b"id" | b"ids" | b"uid" | b"pid" | b"tid" | b"gid" | b"uuid" | b"guid"
        | b"case" | b"code" | b"codes" | b"error" | b"errno" | b"serial" | b"sku" | b"isbn" | b"issn" | b"tracking" | b"shipment" | b"parcel" | b"transaction" | b"txn" | b"tx" | b"trace" | b"span" | b"session"
        | b"sessionid" | b"block" | b"blk" | b"job" | b"task" | b"rev" | b"revision" | b"size" | b"bytes" | b"offset" | b"len" | b"length" | b"time" | b"ts" | b"timestamp" | b"port" | b"rows" | b"ms" | b"commit" | b"hash" | b"checksum"
        | b"part" | b"item" | b"product" | b"seq" | b"sequence" | b"zxid" | b"epoch" | b"lsn" | b"inode" | b"device" | b"addr" | b"package" | b"release" | b"model" | b"asset" | b"lot" | b"docket" | b"request" | b"requestid"
        | b"orderid" | b"ean" | b"upc" | b"gtin" | b"imei" | b"barcode" | b"bug" | b"issue" | b"po" | b"receipt" | b"quote" | b"policy" | b"claim" | b"rma" | b"asn" | b"counter" | b"count" | b"total" | b"nonce" | b"thread" | b"duration" | b"elapsed" | b"latency" | b"ns" | b"us" | b"rechnung" | b"rechnungsnummer" | b"bestellung" | b"bestellnummer" | b"factura" | b"pedido" | b"facture" | b"commande" | b"vorgang" | b"auftrag" | b"artikel" | b"partition" | b"cursor" | b"generation" | b"doi" | b"zip" | b"plz" | b"page" | b"line" | b"slot" | b"term" | b"index" | b"shard" | b"sector" | b"coordinates" | b"lat" | b"lon" | b"lng" | b"latitude" | b"longitude" | b"position" | b"score" | b"amount" | b"price" | b"sum" => Context::Other,
        _ => Context::Nothing,
    }
}
