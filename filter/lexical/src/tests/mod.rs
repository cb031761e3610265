//! Texts that ask different things never match, and the wording makes no difference.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

mod pairs;
#[cfg(not(target_arch = "wasm32"))]
mod properties;

/// The signature of a text.
fn signature(text: &str) -> Signature {
    Lexicon::new([7; 32]).signature(text).unwrap()
}

fn compare(one: &str, other: &str) -> Result<(), Difference> {
    let (one, two) = (signature(one), signature(other));
    let result = one.compare(&two);
    assert_eq!(two.compare(&one), result, "the comparison depends on the order of the texts");
    result
}

#[test]
fn wording_makes_no_difference() {
    let same = [
        ("How do I reset my password?", "hello, how can I reset my password"),
        ("What is machine learning?", "Could you explain machine learning, please?"),
        ("How does a heat pump work?", "What is a heat pump?"),
        ("I don't understand mutexes.", "I do not understand mutexes"),
        ("Why isn't my printer working?", "Why is my printer not working?"),
        ("Give me 5 ideas for dinner", "Give me five ideas for dinner"),
        ("Convert 1,000 metres", "convert 1000 meters"),
        ("What is the twenty-first letter?", "What is the twenty first letter?"),
        ("Translate “good morning”", "Please translate \"good morning\""),
        ("How tall is the tower?", "What is the height of the tower?"),
        ("In Python, how do I reverse a list?", "How do I reverse a list in Python?"),
        ("How do I install Docker on Ubuntu?", "how do i install docker on ubuntu"),
        ("HOW DO I INSTALL DOCKER", "How do I install Docker?"),
        ("How do I undo my last commit?", "How do I undo the last commit?"),
        ("Can I change the address?", "Is it possible to change the address?"),
        ("What time does the shop open?", "When does the shop open?"),
        ("How much does the plan cost?", "What does the plan cost?"),
        ("Reading a file in Rust", "How do I read a file in Rust?"),
        ("Comment boire l'eau ?", "Comment boire de l’eau ?"),
        ("Wie viel kostet der Versand?", "Was kostet der Versand?"),
        ("Comment puis-je annuler ma commande ?", "Comment annuler ma commande ?"),
        ("Explain supervised learning", "What is supervised learning?"),
        ("How would you explain inflation?", "What is inflation?"),
        ("What is the best way to learn chess?", "How do I learn chess?"),
        ("How do I make cookies?", "How do I make a cookie?"),
        ("When was the Louvre built?", "In what year was the Louvre built?"),
        ("Write me a poem about Rome", "Write a poem about Rome"),
        ("Could you help me choose a bike?", "Choose a bicycle"),
        ("I can't find my invoice", "I cannot find my invoice"),
        ("Where can I find my receipts?", "Where do I find my receipts?"),
    ];
    for (one, other) in same {
        assert_eq!(compare(one, other), Ok(()), "{one} | {other}");
    }
}

#[test]
fn a_difference_is_named() {
    let different = [
        ("What is 15 times 7?", "What is 15 times 8?", Difference::Number),
        ("The third chapter", "The twelfth chapter", Difference::Number),
        ("What is -5 plus 3?", "What is 5 plus 3?", Difference::Number),
        ("What is 1,5 plus 2?", "What is 15 plus 2?", Difference::Number),
        ("What day is 2025-03-01?", "What day is 2025-01-03?", Difference::Number),
        ("What is new in Rust 1.2.3?", "What is new in Rust 1.3.2?", Difference::Number),
        ("Was ist zwei plus drei?", "Was ist zwei plus vier?", Difference::Number),
        ("Convert 5 kg", "Convert 5 g", Difference::Unit),
        ("Bake at 180°C", "Bake at 180°F", Difference::Unit),
        ("Is $30 fair?", "Is €30 fair?", Difference::Currency),
        ("Can I pay in euros?", "Can I pay in dollars?", Difference::Currency),
        ("Who leads Apple?", "Who leads Amazon?", Difference::Name),
        ("What does parseInt return?", "What does parseFloat return?", Difference::Name),
        ("How do I call get_user_by_id?", "How do I call get_user_by_name?", Difference::Identifier),
        ("What is x + y?", "What is x - y?", Difference::Identifier),
        ("What does f(g(x)) mean?", "What does g(f(x)) mean?", Difference::Identifier),
        ("Write to anna@example.com", "Write to anne@example.com", Difference::Identifier),
        ("What does `ls -l` do?", "What does `ls -a` do?", Difference::Quotation),
        ("Was bedeutet „Fernweh“?", "Was bedeutet „Heimweh“?", Difference::Quotation),
        ("Correct this: He go home.", "Correct this: She go home.", Difference::Quotation),
        ("Correct this: lets eat, Anna", "Correct this: lets eat Anna", Difference::Quotation),
        ("Read https://example.com/a", "Read https://example.com/b", Difference::Url),
        ("Which animals can fly?", "Which animals can't fly?", Difference::Negation),
        ("Warum habe ich Zugriff?", "Warum habe ich keinen Zugriff?", Difference::Negation),
        ("Pourquoi ça fonctionne ?", "Pourquoi ça ne fonctionne pas ?", Difference::Negation),
        ("Sort it in ascending order", "Sort it in descending order", Difference::Opposite),
        ("Flights from Oslo", "Flights to Oslo", Difference::Opposite),
        ("Tea and coffee", "Tea or coffee", Difference::Opposite),
        ("Is it big?", "Is it too big?", Difference::Degree),
        ("Is he late?", "Is she late?", Difference::Person),
        ("What is your name?", "What is my name?", Difference::Person),
        ("What is the name of my dog?", "What is the name of a dog?", Difference::Person),
        ("What do you want?", "What do I want?", Difference::Person),
        ("Who paid?", "When paid?", Difference::Question),
        ("How is bread?", "What is bread?", Difference::Question),
        ("Can I cancel my order?", "How do I cancel my order?", Difference::Question),
        ("Who is the king?", "Who was the king?", Difference::Tense),
        ("Will prices rise?", "Do prices rise?", Difference::Tense),
        ("Can I smoke here?", "Should I smoke here?", Difference::Tense),
        ("Flights from Oslo to Paris", "Flights from Paris to Oslo", Difference::Order),
        ("convert celsius to fahrenheit", "convert fahrenheit to celsius", Difference::Order),
        ("What is Docker?", "Was ist Docker?", Difference::Language),
        ("What is milk?", "Что такое milk молоко?", Difference::Language),
        ("Are dogs dangerous?", "Are cats dangerous?", Difference::Word),
        ("Please", "Please", Difference::Empty),
    ];
    for (one, other, difference) in different {
        assert_eq!(compare(one, other), Err(difference), "{one} | {other}");
    }
}

#[test]
fn words_that_only_look_alike_stay_apart() {
    let different = [
        ("Book a training", "Book a train"),
        ("Is this wine good?", "Is this win good?"),
        ("What is a plan?", "What is a plane?"),
        ("How do I boil eggs?", "How do I keep boiled eggs?"),
        ("Is vitamin A good?", "Is vitamin D good?"),
        ("vitamin a", "vitamin d"),
        ("Combien d'eau ?", "Combien de d ?"),
        ("train de Lyon", "train à Lyon"),
        ("Zug von Berlin", "Zug nach Berlin"),
        ("Can you accept cards?", "How do I accept cards?"),
        ("Give me a recipe", "What is a recipe?"),
        ("Do I have to pay?", "Do I pay?"),
        ("I deleted my account", "How do I delete my account?"),
        ("Translate dogs into German", "Translate dog into German"),
        ("What does fired mean?", "What does fire mean?"),
        ("Write a poem by Anna", "Write a poem about Anna"),
        ("What happened to Anna?", "What happens to Anna?"),
        ("Who do you love?", "Who loves you?"),
        ("Wer hat Anna geküsst?", "Wen hat Anna geküsst?"),
        ("¿Quién es el rey?", "¿Quién era el rey?"),
        ("Send money to Anna", "Send money for Anna"),
        ("How do I get to Rome?", "How do I get Rome?"),
        ("Talk to Anna", "Talk of Anna"),
        ("He works as Santa", "He works for Santa"),
        ("Who has it now?", "Who is it now?"),
        ("Delete my files", "How do I delete my files?"),
        ("It will rain", "Will it rain?"),
        ("You are fired", "Are you fired?"),
        ("May I smoke here in May?", "May I smoke here?"),
        ("Who is Dr. Adams?", "Who is Dr. Adam?"),
        ("Who is Conan O'Brien?", "Who is Conan O'Neal?"),
        ("How do I update Windows?", "How do I update a window?"),
        ("who is robin williams", "Who is Robin William?"),
        ("which port does https use", "which port does http use"),
        ("How do I treat hives?", "How do I treat a hive?"),
        ("Is CO toxic?", "Is Co toxic?"),
        ("Convert 5 mW to W", "Convert 5 MW to W"),
        ("How many Mb are in a GB?", "How many MB are in a GB?"),
        ("How much is 5m in euros?", "How much is 5M in euros?"),
        ("What is ML?", "What is a millilitre?"),
        ("Is the gym open at 5am?", "Is the gym open at 5?"),
        ("What is a type I error?", "What is a type error?"),
        ("Who won World War I?", "Who won the World War?"),
        ("What is north of Korea?", "What is North Korea?"),
        ("How do I crush cans?", "How do I crush?"),
        ("who is theresa may", "who is theresa"),
        ("us visa fee", "visa fee"),
        ("it jobs in london", "jobs in london"),
        ("Replace a with b in c", "Replace with b in c"),
        ("Can I eat just fruit?", "Can I eat fruit?"),
        ("Is a very high fever bad?", "Is a high fever bad?"),
        ("Why do a few people live there?", "Why do few people live there?"),
        ("How do I stop following a page?", "How do I stop a page?"),
        ("How do I pick a lock?", "How do I choose a lock?"),
        ("How do I reach the embassy?", "How do I contact the embassy?"),
        ("Where is my application?", "Where is my app?"),
        ("How do I erase an SD card?", "How do I remove an SD card?"),
        ("Run for 30 min", "Run for 30 minimum"),
        ("What rhymes with big?", "What rhymes with large?"),
        ("What is car in German?", "What is automobile in German?"),
        ("What time was Lincoln shot?", "What year was Lincoln shot?"),
        ("Can I see who viewed my profile?", "How do I see who viewed my profile?"),
        ("How do I explain divorce?", "How do I divorce?"),
        ("Can you name a star?", "Name a star"),
        ("What is your purpose?", "What is the purpose?"),
        ("Can I mix peanut, butter and jam?", "Can I mix peanut butter and jam?"),
    ];
    for (one, other) in different {
        assert!(compare(one, other).is_err(), "{one} | {other}");
    }
}

#[test]
fn each_sign_of_a_formula_or_of_code_counts() {
    let different = [
        ("Is x != y?", "Is x = y?"),
        ("What does !== do in PHP?", "What does == do in PHP?"),
        ("What is := in Go?", "What is = in Go?"),
        ("What is :: in Rust?", "What is ? in Rust?"),
        ("What is ! in Rust?", "What is ? in Rust?"),
        ("Is {} truthy?", "Is [] truthy?"),
        ("What does !x do in C?", "What does x do in C?"),
        ("What does save! do in Rails?", "What does save do in Rails?"),
        ("What is int? in C#", "What is int in C#"),
        ("What is int[] in Java?", "What is int in Java?"),
        ("What does a[1:] return?", "What does a[1] return?"),
        ("Run git add . now", "Run git add now"),
        ("Take .5 mg", "Take 5 mg"),
        ("What is 5!?", "What is 5?"),
        ("What is –5 plus 3?", "What is 5 plus 3?"),
        ("What is 6 – 3?", "What is 6 · 3?"),
        ("What is 6 : 3?", "What is 6 – 3?"),
        ("Is a 5' board long?", "Is a 5\" board long?"),
        ("What is (2 + 3) * 4?", "What is 2 + (3 * 4)?"),
        ("What is 10 - (4 - 2)?", "What is (10 - 4) - 2?"),
        ("What is the type of (1, 2)?", "What is the type of [1, 2]?"),
        ("Simplify a-b", "Simplify b"),
        ("Summarise : the cat", "Summarise : a cat"),
        ("Run this:\nif x:\n  a\n  b", "Run this:\nif x:\n  a\nb"),
    ];
    for (one, other) in different {
        assert!(compare(one, other).is_err(), "{one} | {other}");
    }
    let same = [
        ("Hello! What is 2 + 2?", "What is 2 + 2?"),
        ("Hi! Fix this: x = 1", "Fix this: x = 1"),
        ("What does len() do?", "What does len do?"),
        ("What is the speed (roughly)?", "What is the speed roughly?"),
        ("hi! how do i reset my password", "How do I reset my password?"),
    ];
    for (one, other) in same {
        assert_eq!(compare(one, other), Ok(()), "{one} | {other}");
    }
}

#[test]
fn a_negation_counts_with_its_word_and_its_place() {
    let different = [
        ("Which animals that cannot fly can swim?", "Which animals that can fly cannot swim?"),
        ("How do I tell him I am not coming?", "How do I not tell him I am coming?"),
        ("I think my landlord did not pay", "I do not think my landlord did pay"),
        ("Nobody helps me", "Nothing helps me"),
        ("I can hardly breathe", "I can't breathe"),
        ("Which cake is made without eggs?", "Which cake is made except eggs?"),
        ("Warum hilft mir niemand?", "Warum hilft mir nichts?"),
        ("Je ne dors jamais", "Je ne dors pas"),
        ("You don't have to tip in Japan", "You must not tip in Japan"),
        ("It may not work", "It cannot work"),
        ("What shouldn't I eat?", "What don't I eat?"),
        ("Why can't I delete it?", "Why don't I delete it?"),
    ];
    for (one, other) in different {
        assert!(compare(one, other).is_err(), "{one} | {other}");
    }
}

#[test]
fn verbs_and_their_auxiliaries_count() {
    let different = [
        ("Where is the park?", "Where do I park?"),
        ("Where's the park?", "Where can I park?"),
        ("What is love?", "What do you love?"),
        ("I need a doctor", "I am a doctor"),
        ("Who needs a lawyer?", "Who is a lawyer?"),
        ("I was sent the wrong item", "I sent the wrong item"),
        ("Who was invited?", "Who invited?"),
        ("My tenant was evicted", "My tenant evicted"),
        ("Wer wurde bestraft?", "Wer bestraft?"),
        ("Should I wear a helmet?", "Do I have to wear a helmet?"),
        ("What should I declare?", "What must I declare?"),
        ("Would a dog eat chocolate?", "Can a dog eat chocolate?"),
        ("Why should I learn Rust?", "Why do I learn Rust?"),
        ("Was Rome big while Paris is big?", "Is Rome big while Paris was big?"),
        ("In Rome, is it cold? Was Paris warm?", "In Rome, was it cold? Is Paris warm?"),
    ];
    for (one, other) in different {
        assert!(compare(one, other).is_err(), "{one} | {other}");
    }
}

#[test]
fn who_does_it_to_whom_counts() {
    let different = [
        ("How does this affect me?", "How do I affect this?"),
        ("Who can sue me?", "Who can sue?"),
        ("What bothers you?", "What do you bother?"),
        ("Which of the three insurance companies do I owe?", "Which of the three insurance companies owes me?"),
        ("How do I defend myself?", "How do I defend?"),
        ("Warum hasst er mich?", "Warum hasst er sich?"),
        ("Comment se blesser ?", "Comment blesser ?"),
        ("Was frisst der Hai?", "Was frisst den Hai?"),
        ("Der Hund beißt den Mann", "Den Hund beißt der Mann"),
        ("Wo wohnen sie?", "Wo wohnen Sie?"),
        ("A quem ama a Ana?", "Quem ama a Ana?"),
        ("Voos de Lisboa a Madrid", "Voos a Lisboa de Madrid"),
    ];
    for (one, other) in different {
        assert!(compare(one, other).is_err(), "{one} | {other}");
    }
}

#[test]
fn other_languages_have_words_that_look_alike() {
    let different = [
        ("Woher kommt Anna?", "Wohin kommt Anna?"),
        ("Von wo fährt der Zug?", "Wo fährt der Zug?"),
        ("Was hat einen Motor?", "Was ist ein Motor?"),
        ("Ist die Variable null?", "Ist die Variable 0?"),
        ("D'où viens-tu ?", "Où viens-tu ?"),
        ("J'ai un médecin", "Je suis un médecin"),
        ("¿De dónde es Ana?", "¿Dónde es Ana?"),
        ("¿Cómo son tus padres?", "¿Cómo están tus padres?"),
        ("Di dove sei?", "Dove sei?"),
        ("Chi ha un cane?", "Chi è un cane?"),
        ("Como é a Ana?", "Como está a Ana?"),
        ("Wie heeft een hond?", "Wie is een hond?"),
        ("Waar is zijn auto?", "Waar is de auto?"),
    ];
    for (one, other) in different {
        assert!(compare(one, other).is_err(), "{one} | {other}");
    }
}

#[test]
fn function_words_belong_to_their_clauses() {
    let different = [
        ("Who is A and when is B?", "When is A and who is B?"),
        ("What is TCP? How do I use UDP?", "How do I use TCP? What is UDP?"),
        ("Was London large and is Rome large?", "Is London large and was Rome large?"),
        ("A cat that is not black and a dog that is black", "A cat that is black and a dog that is not black"),
        ("How do I help you?", "How do you help me?"),
    ];
    for (one, other) in different {
        assert!(compare(one, other).is_err(), "{one} | {other}");
    }
}

#[test]
fn a_long_text_counts_to_its_end() {
    let long = |last: &str| format!("{} {last}", "word ".repeat(400));
    assert_eq!(compare(&long("red"), &long("red")), Ok(()));
    assert!(compare(&long("red"), &long("green")).is_err());
    assert!(compare(&long("red green"), &long("green red")).is_err());
}

#[test]
fn a_text_beyond_the_bound_has_no_signature_and_no_signature_is_larger_than_a_kilobyte() {
    let lexicon = Lexicon::new([7; 32]);
    assert_eq!(lexicon.signature(&"x".repeat((8 << 10) + 1)), None);
    let longest = (0..2000).map(|number| format!("w{number} ")).collect::<String>();
    assert!(lexicon.signature(&longest[..8 << 10]).unwrap().bytes().len() <= 1024);
}

#[test]
fn the_stored_form_is_read_back_and_has_no_word_of_the_text() {
    let before = signature("Why does Anna's account_id differ from \"seven\"?");
    let bytes = before.bytes();
    assert_eq!(Signature::parse(&bytes), Some(before));
    for word in ["anna", "Anna", "account", "seven"] {
        assert!(!bytes.windows(word.len()).any(|window| window == word.as_bytes()), "{word}");
    }
    for length in 0..bytes.len() {
        let cut = Signature::parse(&bytes[..length]);
        assert!(
            cut.is_none_or(|cut| cut != signature("Why does Anna's account_id differ from \"seven\"?")),
            "{length}"
        );
    }
}

#[test]
fn another_key_makes_other_hashes() {
    let of = |key: u8| Lexicon::new([key; 32]).signature("Docker on Ubuntu").unwrap().bytes();
    assert_eq!(of(1), of(1));
    assert_ne!(of(1), of(2));
}

#[test]
fn the_rest_of_a_long_text_is_not_cut_up() {
    let lexicon = Lexicon::new([7; 32]);
    let bytes = |text: &str| lexicon.signature(&text[..text.floor_char_boundary(8 << 10)]).unwrap().bytes().len();
    for unit in ["a ", "a-", "a'b", "'a ", "\"a ", "a\n", "a: b ", "$1 ", "1%", "é’", "“a ", "« "] {
        assert!(bytes(&unit.repeat(8 << 10)) <= 1024, "{unit}");
    }
    assert!(compare(&format!("Fix this: {}", "a ".repeat(200)), &format!("Fix this: {}", "a ".repeat(201))).is_err());
}
