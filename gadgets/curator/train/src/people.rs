//! Names, as people of several cultures have them.

use std::sync::LazyLock;

use crate::rng::Rng;

const MORE_GIVEN: &str = include_str!("../names/given.txt");
const MORE_SURNAMES: &str = include_str!("../names/surnames.txt");

fn words(list: &'static str, more: &'static str) -> Vec<&'static str> {
    let more = more.lines().filter(|line| !line.starts_with('#'));
    std::iter::once(list).chain(more).flat_map(str::split_ascii_whitespace).collect()
}

/// All given names.
pub(crate) static ALL_GIVEN: LazyLock<Vec<&str>> = LazyLock::new(|| words(GIVEN, MORE_GIVEN));
/// All surnames.
pub(crate) static ALL_SURNAMES: LazyLock<Vec<&str>> =
    LazyLock::new(|| words(SURNAMES, MORE_SURNAMES));

/// Given names.
const GIVEN: &str = "James Mary Robert Patricia John Jennifer Michael Linda David Elizabeth William Barbara Richard Susan Joseph \
    Jessica Thomas Sarah Charles Karen Daniel Nancy Matthew Lisa Anthony Betty Mark Margaret Donald Sandra Steven Ashley Paul \
    Kimberly Andrew Emily Joshua Donna Kenneth Michelle Kevin Carol Brian Amanda George Melissa Edward Deborah Ronald Stephanie \
    Timothy Rebecca Jason Laura Jeffrey Helen Ryan Sharon Jacob Cynthia Gary Kathleen Nicholas Amy Eric Angela Jonathan Anna \
    Stephen Ruth Larry Brenda Justin Pamela Scott Nicole Brandon Katherine Benjamin Samantha Samuel Christine Gregory Emma \
    Frank Catherine Alexander Virginia Patrick Rachel Raymond Janet Jack Maria Dennis Heather Jerry Diane Tyler Julie Aaron \
    Joyce Henry Victoria Douglas Kelly Peter Christina Adam Joan Nathan Evelyn Zachary Lauren Walter Judith Kyle Olivia Harold \
    Martha Carl Cheryl Arthur Megan Roger Andrea Keith Ann Jeremy Alice Terry Jean Lawrence Doris Sean Jacqueline Christian \
    Hannah Albert Gloria Ethan Teresa Sara Noah Grace Liam Sophia Lucas Chloe Oliver Isabella Harry Amelia Leo Mia \
    Oscar Ella Hugo Freya Archie Poppy Finn Ivy Nigel Gemma Graham Fiona Alastair Siobhan Declan Niamh Rhys Bronwen \
    Hans Klaus Jürgen Wolfgang Uwe Stefan Andreas Matthias Florian Lukas Jonas Felix Maximilian Sabine Petra Monika Ursula \
    Heike Birgit Anja Katrin Lena Johanna Greta Friedrich Dieter Günther Jörg Heinz Lieselotte Ingrid Björn \
    Jean Pierre Michel François Jacques Philippe Luc Antoine Thierry Benoît Guillaume Mathieu Élodie Camille Chloé Manon \
    Aurélie Céline Nathalie Isabelle Sylvie Brigitte Margaux Théo Étienne Gaëlle \
    José Juan Carlos Luis Javier Miguel Alejandro Diego Pablo Fernando Sergio Raúl Andrés Lucía Carmen Pilar Marta Elena \
    Isabel Rosa Ana Beatriz Dolores Ximena Guadalupe Ignacio Joaquín Rodrigo Esteban \
    Giuseppe Marco Luca Giovanni Francesco Alessandro Matteo Lorenzo Giulia Chiara Francesca Alessia Paola Silvia Valentina \
    João Pedro Tiago Rafael Thiago Gustavo Mariana Fernanda Letícia Inês Beatriz \
    Pieter Jeroen Sander Maarten Wouter Anouk Femke Marieke Sanne Lars Sven Erik Anders Mikael Nils Astrid Sigrid Karin \
    Søren Mette Bjarne Aino Jukka Päivi Matti Olav Ragnhild Magnus Linnea \
    Piotr Krzysztof Tomasz Agnieszka Małgorzata Katarzyna Jakub Zofia Jan Petr Jana Tomáš Zsófia László Ion Elena Mihai Ioana \
    Ivan Dmitri Sergei Olga Natalia Svetlana Oksana Taras Vladimir Anastasia Yuri Dragan Milica Goran \
    Mehmet Ayşe Mustafa Fatma Emre Zeynep Yiannis Eleni Dimitrios Katerina \
    Mohammed Ahmed Fatima Ali Omar Aisha Hassan Khadija Youssef Layla Karim Noor Ibrahim Zainab Tariq Amina Bilal Samira \
    David Moshe Yael Noa Avi Shira Rivka Eitan Reza Shirin Dariush Parisa \
    Priya Rahul Anjali Amit Sunita Rajesh Deepa Vikram Lakshmi Arjun Neha Sanjay Kavita Ravi Pooja Suresh Meera Aditya Divya \
    Wei Jing Li Ming Xiao Hui Yan Lei Fang Jun Hiroshi Yuki Takeshi Sakura Kenji Haruka Akira Naoko Satoshi Aiko \
    Minh Linh Tuan Huong Nguyet Thanh Ji-woo Min-jun Seo-yeon Hyun Somchai Malee Putri Budi Siti Agus Maricel Jose \
    Aaliyah Abigail Adrian Aiden Alan Alexandra Alexis Alison Allison Alyssa Angelica Annie April Ariana Audrey Autumn Ava Avery \
    Bailey Beverly Bobby Bonnie Bradley Brandy Brian Brittany Brooke Bruce Bryan Caleb Cameron Carla Caroline Carrie Cassandra Chad \
    Charlotte Chelsea Clara Colin Connie Corey Courtney Craig Curtis Danielle Darlene Darren Dean Debra Derek Desiree \
    Diana Dominic Dorothy Dustin Earl Eddie Edith Edwin Eileen Eleanor Elijah Ellen Elsie Erica Erin Ernest Ethel Eugene Evan Faye \
    Felicia Frances Fred Gabriel Gail Gavin Geraldine Gina Glenn Gordon Hailey Harriet Hazel Holly Howard Ian Irene Isaac Jackie Jaclyn \
    Jade Jamie Janice Jay Jeanne Jenna Jill Joanna Jodi Joel Jordan Josephine Juanita Julia Kara Kaitlyn Katie Kayla Kelsey Kristen \
    Kristin Kurt Lance Latoya Leah Leon Leslie Lillian Logan Lois Lori Louis Louise Lucille Luke Lynn Mackenzie Marcus Marie \
    Marilyn Marjorie Marvin Mason Maureen Melanie Melinda Mildred Miranda Molly Monica Natasha Nathaniel Neil Nina Norma \
    Pauline Peggy Penny Philip Phillip Phyllis Ralph Randall Regina Renee Rhonda Rita Roberta Robin Rodney Roland Ronnie Rosemary Roy \
    Russell Sabrina Shane Shannon Shawn Sheila Shelby Sherry Shirley Simon Sonia Sophie Stacy Stanley Stuart Sydney Tamara \
    Tanya Tara Tiffany Tina Todd Tracy Travis Trevor Troy Vanessa Vera Vernon Veronica Vincent Wayne Wendy Wesley Whitney Yvonne \
    Kwame Abena Chinedu Ngozi Oluwaseun Adaeze Thabo Nomsa Tendai Wanjiru Kamau Amara Femi Zodwa";

/// Surnames.
const SURNAMES: &str = "Smith Johnson Williams Brown Jones Garcia Miller Davis Rodriguez Martinez Hernandez Lopez Gonzalez Wilson \
    Anderson Thomas Taylor Moore Jackson Martin Lee Perez Thompson White Harris Sanchez Clark Ramirez Lewis Robinson Walker \
    Young Allen King Wright Scott Torres Nguyen Hill Flores Green Adams Nelson Baker Hall Rivera Campbell Mitchell Carter \
    Roberts Gomez Phillips Evans Turner Diaz Parker Cruz Edwards Collins Reyes Stewart Morris Morales Murphy Cook Rogers \
    Gutierrez Ortiz Morgan Cooper Peterson Bailey Reed Kelly Howard Ramos Kim Cox Ward Richardson Watson Brooks Chavez Wood \
    James Bennett Gray Mendoza Ruiz Hughes Price Alvarez Castillo Sanders Patel Myers Long Ross Foster Jimenez Powell \
    Jenkins Perry Russell Sullivan Bell Coleman Butler Henderson Barnes Fisher Vasquez Simmons Graham Murray Ford Castro \
    Marshall Owens Harrison Fernandez McDonald Woods Washington Kennedy Wells Vargas Henry Chen Freeman Webb Tucker Burns \
    Crawford Olson Simpson Porter Hunter Gordon Mendez Silva Shaw Snyder Mason Dixon Hunt Hicks Holmes Palmer Wagner Black \
    Robertson Boyd Rose Stone Salazar Fox Warren Mills Meyer Rice Schmidt Daniels Ferguson Nichols Stephens Soto Weaver \
    Ryan Gardner Payne Grant Dunn Kelley Spencer Hawkins Arnold Pierce Hansen Peters Santos Hart Bradley Knight Elliott \
    Abbott Adkins Aguilar Allison Andrews Armstrong Atkins Atkinson Barber Barker Barnett Barrett Barton Bates Beck \
    Benson Berry Bishop Blair Blake Bowman Brady Brewer Briggs Buchanan Burgess Burke Burton Bush Byrd Caldwell Calderon Cannon Carlson \
    Carpenter Carr Carroll Carson Chandler Chapman Christensen Clarke Clayton Cobb Cohen Cole Conner Copeland Cortez Craig Cross \
    Cummings Cunningham Curtis Dalton Davidson Dawson Dean Delgado Dominguez Douglas Doyle Drake Duncan Dunlap Ellis Estrada \
    Farmer Farrell Figueroa Fitzpatrick Fleming Fletcher Flynn Fowler Francis Frazier Fuller Garner Garrett Garza \
    Gibbs Gibson Gilbert Gill Glover Goodman Goodwin Graves Greene Griffin Griffith Guerrero Guzman Hamilton Hammond Hampton Hancock \
    Hanson Hardy Harmon Harper Harrington Hayes Haynes Henson Herrera Hines Hodges Hogan Holloway Holt Hopkins Horton \
    Hubbard Hudson Huff Ingram Jacobs Jefferson Jennings Jensen Johnston Joseph Juarez Keith Kerr Kirk Knox Lane Larson Lawrence \
    Lawson Leonard Lindsey Lloyd Logan Lowe Lucas Luna Lynch Lyons Mack Maldonado Malone Manning Marsh Massey Maxwell May \
    McBride McCormick McCoy McDaniel McGee McGuire McKenzie McKinney McLaughlin Medina Mejia Melton Mendoza Mercado Mercer Miles Monroe \
    Montgomery Moody Moran Moreno Morrison Morrow Morton Moss Mullins Munoz Neal Newman Newton Norman Norris Norton Nunez Obrien \
    Oliver Orr Ortega Osborne Owen Pacheco Padilla Parsons Patrick Patterson Patton Paul Pearson Pena Perkins Phelps Pittman \
    Poole Pope Potter Pratt Preston Quinn Ramsey Randolph Ray Reeves Reid Reynolds Rhodes Richards Riley Robbins Robles Rocha \
    Rojas Rowe Ruiz Salas Savage Schneider Schroeder Schultz Schwartz Sellers Serrano Shelton Shepherd Sherman Singleton \
    Skinner Sloan Solis Stafford Stanley Stanton Steele Stein Stevens Stevenson Stokes Strickland Suarez Sutton Swanson Tate \
    Terry Townsend Tran Travis Trevino Tyler Underwood Valdez Vance Vaughn Vega Velez Villarreal Wade Wallace Walsh Walter Walters \
    Walton Warner Watkins Watts Weber Weeks Weiss West Wheeler Whitehead Wiggins Wilcox Wilkerson Wilkins Wilkinson Willis \
    Wolfe Woodard Woodward Wyatt Yates York Zamora Zimmerman \
    O'Brien O'Connor O'Neill MacLeod McCarthy FitzGerald Pemberton Ashworth Whitaker Llewellyn Buchanan Sinclair Gallagher \
    Müller Schneider Fischer Weber Becker Schulz Hoffmann Schäfer Koch Bauer Richter Klein Wolf Schröder Neumann Schwarz \
    Zimmermann Braun Krüger Hofmann Hartmann Lange Werner Krause Lehmann Köhler Huber Vogel Keller Günther Weiß Jäger \
    Bernard Dubois Durand Moreau Laurent Simon Michel Lefebvre Leroy Roux Bertrand Morel Fournier Girard Bonnet Dupont \
    Lambert Fontaine Rousseau Blanc Guérin Chevalier Gauthier Lemaître Beaumont Marchand \
    García Fernández González Rodríguez López Martínez Sánchez Pérez Gómez Muñoz Álvarez Romero Alonso Gutiérrez Navarro \
    Iglesias Ibáñez Cabrera Quiroga Etxeberria Rossi Russo Ferrari Esposito Bianchi Romano Colombo Ricci Marino Greco \
    Conti Gallo Mancini Lombardi Ferreira Pereira Oliveira Costa Rodrigues Carvalho Almeida Nogueira Teixeira \
    Jansen Bakker Visser Smit Meijer Mulder Bos Vos Peeters Janssens Dekker Andersson Johansson Karlsson Nilsson Eriksson \
    Lindström Bergqvist Hansen Olsen Larsen Pedersen Nielsen Jensen Kristiansen Virtanen Korhonen Mäkinen Nieminen \
    Kowalski Nowak Wiśniewski Wójcik Kamiński Lewandowski Zieliński Novák Svoboda Dvořák Horváth Nagy Szabó Kovács Popescu \
    Ionescu Ivanov Petrov Sokolov Kuznetsova Volkov Shevchenko Kovalenko Jovanović Petrović Horvat Yılmaz Kaya Demir Öztürk \
    Papadopoulos Georgiou Cohen Levi Mizrahi Friedman Khan Hussain Malik Rahman Hosseini Ahmadi Al-Sayed El-Masri Haddad \
    Mansour Farouk Benali Sharma Singh Gupta Kumar Reddy Iyer Nair Mehta Joshi Chatterjee Banerjee Desai Kapoor Verma \
    Wang Zhang Liu Yang Huang Zhao Wu Zhou Xu Sun Tanaka Suzuki Takahashi Watanabe Yamamoto Nakamura Kobayashi Sato Park \
    Choi Jung Tran Pham Hoang Vu Santoso Wijaya Suharto Dela-Cruz Bautista Okafor Adeyemi Mensah Nkosi Dlamini Mwangi \
    Otieno Abebe Tesfaye Diallo Traoré";

/// Pieces of names that nobody has, so that a name need not be in a list.
const SYLLABLES: &str = "ba be bri ca cor da del dor el fa fen gal gre ha hil ja jor ka kel la len lo ma mar mer mi na nor o ol pa per \
    qui ra rin ro sa sel sten ta tem tor u va vin wal wen ya zan zel";
const ENDINGS: &str = "a an ar ard ell en er ett ez i ia ic in ina ini is ish kin la ley ling man mann na ni o on os ov ow sen ska ski son \
    ston sz ta ton us well wick wood y yn";

/// One that is in no list.
fn made_up(rng: &mut Rng) -> String {
    let mut name: String = (0..rng.between(1, 2)).map(|_| rng.word(SYLLABLES)).collect();
    name.push_str(rng.word(ENDINGS));
    capital(&name)
}

/// With a capital letter at the front.
#[must_use]
pub(crate) fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

fn one(list: &[&'static str], rng: &mut Rng) -> &'static str {
    list[rng.below(list.len())]
}

/// Given names and surnames in scripts that are not Latin, and how they are written together.
const ELSEWHERE: &[(&str, &str, &str)] = &[
    (
        "伟 芳 娜 敏 静 丽 强 磊 军 洋 勇 艳 杰 涛 明 超 秀英 建华 志强 晓燕 玉兰 海燕",
        "王 李 张 刘 陈 杨 赵 黄 周 吴 徐 孙 胡 朱 高 林 何 郭 马 罗",
        "",
    ),
    (
        "太郎 花子 健太 美咲 翔太 陽子 直樹 裕子 大輔 恵子",
        "佐藤 鈴木 高橋 田中 伊藤 渡辺 山本 中村 小林 加藤",
        " ",
    ),
    ("민준 서연 지훈 수진 영호 은지 현우 미경", "김 이 박 최 정 강 조 윤 장 임", ""),
    (
        "محمد أحمد فاطمة علي عمر عائشة حسن مريم يوسف ليلى خالد نور سارة",
        "العتيبي الحربي القحطاني منصور حداد النجار الشمري خليل سليمان عباس",
        " ",
    ),
    ("דוד משה שרה רחל יעל נועם אבי תמר", "כהן לוי מזרחי פרץ ביטון אברהם פרידמן", " "),
    (
        "Иван Дмитрий Ольга Наталья Сергей Анна Мария Алексей Елена Павел Светлана Татьяна",
        "Иванов Петров Сидоров Кузнецов Смирнова Волков Соколова Морозов Попова Лебедев Шевченко",
        " ",
    ),
    (
        "Γιώργος Ελένη Νίκος Μαρία Κώστας Κατερίνα Δημήτρης Σοφία",
        "Παπαδόπουλος Γεωργίου Νικολάου Οικονόμου Αντωνίου Δημητρίου",
        " ",
    ),
    ("राहुल प्रिया अमित सुनीता विजय अंजलि संजय कविता", "शर्मा सिंह गुप्ता वर्मा पटेल यादव मिश्रा", " "),
    ("สมชาย มาลี สุดา ประเสริฐ วิชัย", "แสงทอง ใจดี ศรีสุข บุญมี", " "),
];

/// A name in another script.
fn elsewhere(rng: &mut Rng) -> String {
    let (given, surnames, between) = ELSEWHERE[rng.below(ELSEWHERE.len())];
    let (given, surname) = (rng.word(given), rng.word(surnames));
    if between.is_empty() || rng.percent(15) {
        format!("{surname}{between}{given}")
    } else {
        format!("{given}{between}{surname}")
    }
}

/// A given name.
pub(crate) fn given(rng: &mut Rng) -> String {
    match rng.below(100) {
        0..12 => made_up(rng),
        12..16 => format!("{}-{}", one(&ALL_GIVEN, rng), one(&ALL_GIVEN, rng)),
        _ => one(&ALL_GIVEN, rng).to_owned(),
    }
}

/// A surname.
pub(crate) fn surname(rng: &mut Rng) -> String {
    match rng.below(100) {
        0..20 => made_up(rng),
        20..23 => format!("{}-{}", one(&ALL_SURNAMES, rng), one(&ALL_SURNAMES, rng)),
        23..26 => format!(
            "{} {}",
            rng.pick(&["van der", "van", "de", "von", "de la", "da", "Al", "Mc", "del", "St."]),
            one(&ALL_SURNAMES, rng)
        ),
        _ => one(&ALL_SURNAMES, rng).to_owned(),
    }
}

/// A full name in one of the ways that people write it.
pub(crate) fn full_name(rng: &mut Rng) -> String {
    if rng.percent(4) {
        return elsewhere(rng);
    }
    let (given, surname) = (given(rng), surname(rng));
    let initial = rng.chars("ABCDEFGHJKLMNPRSTW", 1);
    match rng.below(100) {
        0..62 => format!("{given} {surname}"),
        62..69 => format!("{given} {initial}. {surname}"),
        69..73 => format!("{surname}, {given}"),
        73..78 => format!("{given} {} {surname}", self::given(rng)),
        78..82 => format!("{}. {surname}", given.chars().next().unwrap_or('J')),
        82..89 => format!("{given} {surname}").to_uppercase(),
        89..93 => format!("{given} {surname}").to_lowercase(),
        93..95 => format!("{} {given}", surname.to_uppercase()),
        95..97 => format!("{given} {surname} {}", self::surname(rng)),
        _ => format!("{given} {initial} {surname}"),
    }
}

/// Latin letters without accents, small.
#[must_use]
pub(crate) fn plain(name: &str) -> String {
    name.to_lowercase()
        .chars()
        .filter_map(|c| match c {
            'a'..='z' | '0'..='9' => Some(c),
            'à'..='å' | 'ą' | 'ă' => Some('a'),
            'è'..='ë' | 'ę' => Some('e'),
            'ì'..='ï' | 'ı' => Some('i'),
            'ò'..='ö' | 'ø' => Some('o'),
            'ù'..='ü' => Some('u'),
            'ç' | 'ć' | 'č' => Some('c'),
            'ñ' | 'ń' => Some('n'),
            'ł' => Some('l'),
            'ś' | 'ş' | 'š' | 'ß' => Some('s'),
            'ř' => Some('r'),
            'ž' | 'ź' | 'ż' => Some('z'),
            _ => None,
        })
        .collect()
}
