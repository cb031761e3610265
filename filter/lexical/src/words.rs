//! Word lists. A line's first word says what the other words are; `Lexicon::new` reads them once.
//!
//! Function words are dropped or become features of a text. All others must be the same in two texts. So a missing word costs cache hits
//! and never correctness, and a word belongs in a list only if no answer depends on it.

/// The lists of each language. The order breaks ties between languages.
pub(super) const LANGUAGES: [&str; 7] = [EN, DE, FR, ES, IT, NL, PT];

/// What lines mean:
///
/// - `drop`: no answer depends on these words. Elided forms keep the apostrophe.
/// - `not`: negations that say no more than "not" does. `raw`: words behind which the text itself is the subject, so that each of its
///   words counts. `literal`: words that make words of one meaning differ.
/// - `cased`: words whose first letter makes another word of them.
/// - `who`, `when`, `where`, `why`, `what`, `how`: question words. `time`, `year`: what "what time" and "what year" become.
/// - `is`, `was`, `does`, `did`, `will`, `can`, `may`, `would`, `must`, `should`: auxiliary verbs.
/// - `i`, `you`, `we`, `my`, `your`, `our`: pronouns.
/// - `numbers`, `tens`, `ordinals`: in order, from 0, 20 and 1.
/// - `same`: words of one meaning. `opposite`, `degree`, `person`, `unit`, `currency`: the same, with the reason to give when they differ.
/// - With a `*`: every word is one on its own.
const EN: &str = "
drop a an the of to this that these those it its please kindly just some any really thanks
not not no without dont wont isnt arent doesnt didnt
raw translate translation spell spelled spelling rhyme pronounce conjugate proofread rewrite rephrase paraphrase grammar say mean meaning word
raw sentence rhymes synonym synonyms antonym antonyms plural letters etymology
literal difference differ versus vs letter syllables
literal british american english german french spanish italian dutch portuguese russian chinese japanese latin
who who whom
when when
time whattime
year whatyear
where where
why why
what what which
how how
is is are am
does do does
was was were
did did
will will shall
can can could
may may might
would would
must must need required
should should ought
i i
you you
we we
my my mine
your your yours
our our ours
numbers zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen
tens twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million billion
ordinals first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth
person he him his
person she her
person they them their
same in during inside
same have has
same with using
same repair fix mend
same fast quick rapid
same fastest quickest
same big large
same biggest largest
same couch sofa
same car automobile
same film movie
same choose select
same help assist
same kind type
same picture image photo
same television tv
same price cost
same happen occur
same modify alter
same folder directory
same repository repo
same database db
same info information
same airplane aeroplane plane
same bicycle bike
same child children kid
same man men
same woman women
same tooth teeth
same mouse mice
same write compose draft
same suggest recommend
same summarise summary
opposite decrease reduce
same if whether
same everyone everybody
same anyone anybody
same colour color
opposite enable activate
opposite disable deactivate
opposite begin start
opposite buy purchase
opposite delete remove
opposite maximum max
opposite* ascending descending before after last add stop sell import export encode decode encrypt decrypt open close left right up down
opposite* on off out over under above below upload download install uninstall lock unlock show hide push pull rise fall accept decline deposit
opposite* withdraw subscribe unsubscribe internal external input output high low public private lend borrow advantage disadvantage pro con north
opposite* south east west early late hot cold true false always often old new from until since by about against between and or only all every
opposite* me explain define describe never none nobody nothing nowhere neither nor except hardly barely
opposite* today tomorrow yesterday now then again still already even odd next previous
degree* more most less least fewer best worst better worse too enough
unit* metre mile inch gram litre millilitre hour minute millisecond day week month year degree celsius fahrenheit byte percent
unit kilometre km
unit centimetre cm
unit millimetre mm
unit foot feet
unit kilogram kilo kg
unit milligram mg
unit ounce oz
unit seconds sec
unit kilobyte kb
unit megabyte mb
unit gigabyte gb
currency dollar usd
currency euro eur
currency pound gbp
currency yen jpy
currency franc chf
currency rupee inr
currency yuan cny
";

const DE: &str = "
drop der die das ein eine einer von vom bitte es man
not nicht kein keine keinen keinem keiner keines ohne
raw übersetze übersetzen bedeutet buchstabiere reimt korrigiere satz wort
who wer
when wann
where wo
why warum wieso weshalb
what was welche welcher welches welchen
how wie
is ist sind bin bist
was war waren wurde wurden
will wird werden
can kann können könnte könnten darf dürfen
must muss müssen
should soll sollte
i ich
you du
we wir
my mein meine meinen meinem meiner meines
your dein deine deinen deinem deiner deines
cased sie ihr ihre ihnen ihren ihrer
our unser unsere unseren unserem unserer
numbers - eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf
";

const FR: &str = "
drop le la les l' un une des de du d' svp plaît ce cet cette c' y que qu' il ne n'
not pas sans
raw traduis traduire traduisez signifie dire corrige phrase mot
who qui
when quand
where où
why pourquoi
what quoi quel quelle quels quelles
how comment
is est sont suis
was était étaient fut
will sera seront
can peut peux puis pouvez pouvons
must doit dois devez faut
i je j'
you tu vous
we nous
my mon ma mes
your ton ta tes votre vos
our notre nos
numbers zéro - deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize
";

const ES: &str = "
drop el la los las un una de del favor lo he ha
not no sin
raw traduce traducir significa decir corrige frase palabra
who quién quien quiénes
when cuándo cuando
where dónde donde
why porqué porquê
what qué cuál cuáles que
how cómo como
is son soy
was era fue fueron
will será serán
can puedo puede puedes pueden podemos
must debo debe debes hay
i yo
you tú usted
we nosotros
my mi mis
your tu tus
our nuestro nuestra
numbers cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce
";

const IT: &str = "
drop il lo la i gli le un una di del della dei delle favore l' un' d' dell'
not non senza
raw traduci tradurre significa dire correggi frase parola
who chi
when quando
where dove
why perché
what che cosa quale quali qual
how come
is è sono
was era fu furono
will sarà saranno
can posso può puoi possono possiamo
must devo deve devi bisogna
i io
you tu lei
we noi
my mio mia miei mie
your tuo tua tuoi tue
our nostro nostra
numbers zero uno due tre quattro cinque sei sette otto nove dieci undici dodici
";

const NL: &str = "
drop de het een van alsjeblieft graag er dat
not niet geen zonder
raw vertaal vertalen betekent zeg zin woord
who wie
when wanneer
where waar
why waarom
what wat welke
how hoe
is is ben
was waren werd werden
will zal zullen
can kan kunnen kun mag
must moet moeten
i ik
you jij je u
we wij we
my mijn
your jouw uw
our ons onze
numbers nul één twee drie vier vijf zes zeven acht negen tien elf twaalf
";

const PT: &str = "
drop o a os as um uma de do da dos das favor
not não sem
raw traduza traduzir significa dizer corrija frase palavra
who quem
when quando
where onde
why porquê
what que qual quais
how como
is é são
was era foi foram
will será serão
can posso pode podem podemos
must devo deve devem
i eu
you você tu
we nós
my meu minha meus minhas
your teu tua seu sua
our nosso nossa
numbers zero - dois três quatro cinco seis sete oito nove dez onze doze
";

/// Phrases with their replacements. A phrase that begins with `^` is replaced only at the beginning of a text. Longer ones come
/// first.
///
/// `?` stands for nothing before a word of [`REQUESTS`], and for no replacement before others.
pub(super) const PHRASES: &str = "
^i would like to know=
^i d like to know=
^give me a recipe for=how make
^recommend me=recommend
^give me a summary of=summarise
^i want to know=
^i need to know=
^i would like to=how
^i d like to=how
^give a summary of=summarise
^is it possible to=can
^is it true that=
what is the reason=why
what s the reason=why
as if i were=
s' il vous plaît=
s' il te plaît=
^tell me about=what
^let me know=
^i want to=how
^i need to=how
^tell me a=give
^tell me an=give
^show me how=how
^explain to me=what
^how would you explain=what
best way to=how
fastest way to=how fastest
easiest way to=how easiest
what time zone=what timezone
which time zone=what timezone
in what year=whatyear
in which year=whatyear
best time to=when best
get rid of=remove
wie viel kostet=was kostet
wie heißt die=was ist
est ce que=
^can you help me=
^could you help me=
^would you please=
^can you=?
^could you=?
^thank you=
^good morning=
^tell me=
^write me=write
^give me=give
^show me=give
^help me=
^name the=what
is there=is
are there=are
way to=how
ways to=how
steps to=how
tips for=how
time zone=timezone
what year=whatyear
what time=whattime
how long=what length
how tall=what height
how high=what height
how far=what distance
how old=what age
how fast=what speed
how big=what size
how large=what size
how often=what frequency
how many=what count
how much=what amount
find out=find
e mail=email
wi fi=wifi
set up=setup
back up=backup
switch on=turn on
switch off=turn off
power on=turn on
power off=turn off
shut down=turn off
sign in=log in
sign out=log out
each day=per day
every day=per day
capital city=capital
or not=
cannot=not can
cant=not can
have to=must
has to=must
por qué=porqué
por que=porquê
por favor=
per favore=
^please=
^kindly=
^hello=
^hi=
^hey=
^thanks=
^so=
^ok=
^and=
^also=
^explain=what
^describe=what
^define=what
whats=what is
";

/// Verbs behind "can you" that make it a polite request. Behind it, others ask what somebody can do.
pub(super) const REQUESTS: &str =
    "tell explain give show write summarise summarize recommend suggest translate describe define list please";
