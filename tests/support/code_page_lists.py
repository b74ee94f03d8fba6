"""Lists of leads in the languages and code pages of Europe, put together from words of each.

The words were chosen by hand; `letter_prices.py` leaves them out of what it makes prices of.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

WEST = ("cp1252", "iso8859-15", "cp850", "mac-roman")
CENTRE = ("cp1250", "iso8859-2", "cp852", "mac-latin2")
CYRILLIC = ("cp1251", "koi8-r", "cp866", "mac-cyrillic", "iso8859-5")


@dataclass(frozen=True, slots=True)
class Words:
    """What lists of one language are made of, each divided by commas; code pages people have."""

    code_pages: tuple[str, ...]
    header: str
    first: str
    last: str
    city: str
    street: str
    company: str


LANGUAGES = {
    "hu": Words(
        CENTRE,
        "Név;Cég;Cím;Város;Telefon",
        "Ágnes,Béla,Győző,Zsófia,István,Éva,Gergő,Lőrinc,Márton,Anikó,Kálmán,Tünde,Péter,Anna",
        "Szűcs,Kovács,Tóth,Őry,Nagy,Fülöp,Kőműves,Dévényi,Vörös,Bíró,Kiss,Gáspár,Jenei,Hegedűs",
        "Győr,Pécs,Kőszeg,Székesfehérvár,Nyíregyháza,Hódmezővásárhely,Szeged,Budaörs,Érd,Fűzfő",
        "Petőfi u. 3,Fő tér 12.,Rózsa utca 4/B,Kölcsey köz 7,Árpád út 9,Szőlő u. 21,Béke tér 1",
        "Tűzoltó Kft.,Építő Bt.,Nagy és Társa Kft.,Zöld Mező Zrt.,Hírös Kft.,Alfa Kft.,Gépész Rt.",
    ),
    "de": Words(
        (*WEST, *CENTRE),
        "Name;Firma;Straße;Ort;Telefon",
        "Jürgen,Günter,Jörg,Käthe,Anna,Bärbel,Sören,Heinz,Ulrike,Björn,Dörte,Karl,Götz,Änne",
        "Müller,Schröder,Weiß,Jäger,König,Schäfer,Groß,Böhm,Krüger,Maier,Vogel,Lösch,Kästner",
        "Köln,München,Nürnberg,Düsseldorf,Gießen,Berlin,Göttingen,Fürth,Würzburg,Neuß,Tübingen",
        "Königstraße 4,Am Mühlbach 7,Bäckergasse 12,Schloßallee 1,Hauptstr. 9,Grüner Weg 3",
        "Bäckerei Jäger GmbH,Möbel Höffner,Groß & Söhne KG,Meyer GmbH,Kältetechnik AG,Süd Öl",
    ),
    "at": Words(
        (*WEST, *CENTRE),
        "Name;Firma;Straße;Ort;Telefon",
        "Günther,Jörg,Eva,Käthe,Franz,Ägidius,Rösi,Anna,Burgi,Götz,Sepp,Vroni,Lukas,Zäzilia",
        "Gruber,Hölzl,Bäck,Größl,Pöltl,Mayr,Häupl,Kőszegi,Weiß,Prohaska,Müllner,Zöchling,Huber",
        "Mödling,Sankt Pölten,Wörgl,Wien,Fürstenfeld,Völklabruck,Graz,Kitzbühel,Dürnstein",
        "Mariahilfer Straße 4,Am Hügel 7,Kärntner Ring 12,Schloßgasse 1,Haydngasse 9,Rögergasse 3",
        "Bäckerei Ströck,Hölzl GmbH,Österreichische Post,Mayr OG,Köck & Söhne,Gasthof Bär",
    ),
    "fr": Words(
        WEST,
        "Nom;Société;Adresse;Ville;Téléphone",
        "Hélène,François,Zoé,Benoît,Agnès,Loïc,Jérôme,Marie,Geneviève,Gaëlle,Paul,Noémie,Irène",
        "Lefèvre,Bénard,Lemaître,Gauthier,Forêt,Barrère,Martin,Châtelain,Périer,Besançon,Durand",
        "Orléans,Nîmes,Besançon,Châlons,Béziers,Paris,Mâcon,Angoulême,Saint-Étienne,Évreux,Sète",
        "Allée des Bruyères 4,Rue de la Paix 3,12 bis Rue Molière,Place du 8 Août,Impasse Frère",
        "Société Générale,Crédit du Nord,Boulangerie Noël,L’Oréal,Hôtel de la Gare,Dupont SA",
    ),
    "es": Words(
        WEST,
        "Nombre;Empresa;Dirección;Ciudad;Teléfono",
        "José,María,Ángel,Begoña,Íñigo,Ana,Rubén,Inés,Óscar,Verónica,Luis,Iván,Álvaro,Concepción",
        "Núñez,García,Peña,Muñoz,Rodríguez,Pérez,Ibáñez,Ruiz,Gómez,Güell,Sánchez,Vega,Martín",
        "Málaga,Coruña,Cádiz,Jaén,León,Madrid,Logroño,Cáceres,Castellón,Ávila,Gijón,Almería",
        "C/ Muñoz 4 2º A,Pza. España nº 3,Avda. Constitución 12,C/ Colón 7 1ª,Plaza Mayor 1",
        "Construcciones Peña S.L.,Cía. Eléctrica,Panadería Ibáñez,Talleres Ruiz,Viñedos del Sur",
    ),
    "pt": Words(
        WEST,
        "Nome;Empresa;Morada;Cidade;Telefone",
        "João,Conceição,Inês,António,Luísa,Sebastião,Ana,Cátia,Estêvão,Fátima,Rui,Mónica,Simão",
        "Simões,Gonçalves,Magalhães,Araújo,Brandão,Silva,Guimarães,Leitão,Conceição,Falcão,Lança",
        "São Paulo,Évora,Braga,Covilhã,Portimão,Setúbal,Guimarães,Lisboa,Póvoa,Olhão,Viseu",
        "Rua da Prisão 3,Avenida João XXI 4,Praça da República 7,Travessa do Açougue 2,Largo Sé",
        "Construções Simões Lda.,Padaria São João,Comércio Geral,Irmãos Leitão,Transportes Sul",
    ),
    "it": Words(
        WEST,
        "Nome;Società;Indirizzo;Città;Telefono",
        "Niccolò,Giosuè,Mario,Noemi,Nicolò,Anna,Mosè,Luca,Desirée,Salomè,Paolo,Carla,Andrea",
        "Dalmà,Rossi,Nardò,Bertè,Cefalù,Mulè,Bianchi,Pietrantò,Zanè,Calò,Conti,Fusè,Patanè",
        "Forlì,Cantù,Milano,Cefalù,Nardò,Salò,Patti,Viggiù,Torino,San Donà,Santhià,Mondovì",
        "Via Libertà 3,Piazza Unità 4,Via Roma 12,Largo Università 1,Via Nicolò Tommaseo 9",
        "Società Agricola Dalmà,Caffè Centrale,Rossi S.r.l.,Comunità Montana,Qualità & Stile",
    ),
    "pl": Words(
        CENTRE,
        "Imię i nazwisko;Firma;Adres;Miejscowość;Telefon",
        "Łukasz,Małgorzata,Stanisław,Żaneta,Anna,Grażyna,Sławomir,Błażej,Róża,Paweł,Michał,Jan",
        "Wałęsa,Wójcik,Świątek,Kowalski,Dąbrowska,Zieliński,Jabłoński,Gąsior,Ćwikła,Piątek",
        "Łódź,Kraków,Poznań,Częstochowa,Białystok,Warszawa,Gdańsk,Rzeszów,Świdnica,Żywiec",
        "ul. Świętokrzyska 3,ul. Długa 12,al. Niepodległości 4,ul. Żwirki 7,ul. Mała 1",
        "Spółdzielnia Mleczarska,Usługi Budowlane Wójcik,Zakład Ślusarski,Piekarnia Róża",
    ),
    "cs": Words(
        CENTRE,
        "Jméno;Společnost;Ulice;Město;Telefon",
        "Jiří,Tomáš,Zdeněk,Růžena,Alžběta,Ondřej,Jan,Kateřina,Lukáš,Božena,Věra,Matěj,Eliška",
        "Dvořák,Novák,Růžička,Černý,Ševčík,Kučera,Svobodová,Kříž,Beneš,Němec,Procházka,Čapek",
        "Plzeň,Příbram,Ústí nad Labem,Žďár,Třebíč,Praha,Děčín,Kroměříž,Břeclav,Český Těšín",
        "Dlouhá třída 3,U Nádraží 12,Náměstí Míru 4,Lípová 7,Žižkova 1,Na Příkopě 22",
        "Stavební společnost s.r.o.,Pekařství U Růže,Novák a syn,Železárny,Účetní kancelář",
    ),
    "sk": Words(
        CENTRE,
        "Meno;Spoločnosť;Ulica;Mesto;Telefón",
        "Ľubomír,Mária,Žofia,Štefan,Ľudmila,Ján,Božena,Matúš,Zuzana,Ondrej,Vojtěch,Ľuboš,Eva",
        "Škoda,Šťastná,Kováč,Horváth,Ťapák,Nováková,Ďurica,Hudák,Krajčír,Vaľko,Žiška,Baláž",
        "Žilina,Košice,Piešťany,Šaľa,Levoča,Bratislava,Trenčín,Dunajská Streda,Čadca,Ľubovňa",
        "Hlavná 3,Štúrova 12,Námestie Slobody 4,Kvetná 7,Záhradnícka 1,Ľ. Podjavorinskej 9",
        "Pekáreň Škoda s.r.o.,Stavebná firma,Lekáreň Ruža,Účtovníctvo,Železiareň,Včelár",
    ),
    "ro": Words(
        CENTRE,
        "Nume;Societate;Adresă;Oraş;Telefon",
        "Ştefan,Ioana,Cătălin,Mădălina,Ilinca,Răzvan,Anca,Vlăduţ,Florenţa,Bogdan,Sânziana,Ilie",
        "Săvulescu,Drăgan,Popescu,Brânză,Ţurcanu,Păun,Ionescu,Crăciun,Şerban,Măgureanu,Câmpeanu",
        "Bucureşti,Iaşi,Brăila,Constanţa,Timişoara,Piteşti,Târgu Mureş,Cluj,Galaţi,Bacău,Buzău",
        "Str. Ştefan cel Mare 3,Bd. Unirii 12,Calea Griviţei 4,Str. Mărăşeşti 7,Aleea Teilor 1",
        "Construcţii Drăgan SRL,Pâinea Bună,Fabrica de Bere,Servicii Contabile,Ţesătura SA",
    ),
    "hr": Words(
        CENTRE,
        "Ime;Tvrtka;Adresa;Grad;Telefon",
        "Željko,Ana,Siniša,Dražen,Đurđa,Marko,Božidar,Snježana,Zvonimir,Krešimir,Tomislav,Nada",
        "Horvat,Kovačević,Jurić,Babić,Marić,Šimić,Đurić,Novak,Knežević,Žagar,Barišić,Perković",
        "Zagreb,Šibenik,Čakovec,Đakovo,Karlovac,Požega,Split,Poreč,Sisak,Križevci,Varaždin",
        "Vukovarska 3,Trg bana Jelačića 12,Šetalište 4,Kralja Držislava 7,Školska 1",
        "Građevinar d.o.o.,Pekara Šimić,Knjižara,Odvjetnički ured,Obrt Žagar,Ugostiteljstvo",
    ),
    "sl": Words(
        CENTRE,
        "Ime;Podjetje;Naslov;Kraj;Telefon",
        "Aleš,Žiga,Špela,Matjaž,Tomaž,Urška,Boštjan,Ana,Nejc,Anže,Mojca,Franc,Saša,Uroš",
        "Kovač,Žnidaršič,Kranjc,Hribar,Zupančič,Košir,Golob,Turk,Kovačič,Rožič,Kavčič,Potočnik",
        "Črnomelj,Škofja Loka,Kočevje,Ljubljana,Brežice,Domžale,Kranj,Žalec,Tržič,Postojna",
        "Cesta na Brdo 3,Prešernova 12,Trubarjeva 4,Šmartinska 7,Kidričeva 1,Župančičeva 8",
        "Gradbeništvo Košir d.o.o.,Pekarna Čebela,Računovodstvo,Mizarstvo Turk,Tiskarna",
    ),
    "sr": Words(
        ("cp1251", "mac-cyrillic", "iso8859-5"),
        "Име;Фирма;Адреса;Град;Телефон",
        "Јован,Ђорђе,Милица,Љубица,Његош,Ана,Драган,Живојин,Снежана,Небојша,Миљана,Петар",
        "Јовановић,Петровић,Ђурић,Његошевић,Љубичић,Живковић,Марковић,Џајић,Стојановић,Илић",
        "Београд,Ниш,Крушевац,Чачак,Лозница,Шабац,Нови Сад,Ваљево,Суботица,Краљево",
        "Кнез Михаилова 3,Булевар ослобођења 12,Његошева 4,Трг слободе 7,Змај Јовина 1",
        "Грађевинар доо,Пекара Љиљан,Књижара,Адвокатска канцеларија,Млекара Шабац",
    ),
    "ru": Words(
        CYRILLIC,
        "Имя;Компания;Адрес;Город;Телефон",
        "Иван,Ольга,Пётр,Екатерина,Дмитрий,Юлия,Алексей,Наталья,Сергей,Анна,Фёдор,Людмила",
        "Петров,Смирнова,Кузнецов,Щербакова,Соловьёв,Ильин,Журавлёва,Попов,Цветкова,Чернышёв",
        "Москва,Казань,Пермь,Санкт-Петербург,Екатеринбург,Нижний Новгород,Уфа,Рязань,Тюмень",
        "ул. Ленина 3,пр. Мира 12,Невский проспект 4,ул. Гоголя 7,Садовая ул. 1",
        "ООО Ромашка,ЗАО Стройтрест,ИП Кузнецов,Аптека № 5,Завод «Прогресс»,Хлебный дом",
    ),
    "uk": Words(
        ("cp1251", "koi8-u", "mac-cyrillic"),
        "Ім'я;Компанія;Адреса;Місто;Телефон",
        "Олександр,Юлія,Віктор,Наталія,Сергій,Ірина,Андрій,Оксана,Євген,Ганна,Їжак,Тарас",
        "Шевченко,Коваленко,Бойко,Ткачук,Мельник,Лисенко,Сірко,Гнатюк,Дзюба,Кравець,Поліщук",
        "Київ,Львів,Харків,Одеса,Дніпро,Рівне,Чернівці,Вінниця,Запоріжжя,Тернопіль,Луцьк",
        "вул. Хрещатик 3,пл. Ринок 12,вул. Лесі Українки 4,просп. Перемоги 7,вул. Личаківська 1",
        "ТОВ Світанок,Аптека Здоров'я,Хлібзавод,Меблева фабрика,Будівельник,Львівська пивоварня",
    ),
    "bg": Words(
        ("cp1251", "cp866", "mac-cyrillic", "koi8-r"),
        "Име;Фирма;Адрес;Град;Телефон",
        "Георги,Мария,Цветан,Ивайло,Йорданка,Ангел,Десислава,Кръстю,Пенка,Стоян,Яна,Живко",
        "Димитров,Иванова,Щерев,Стоянов,Цветкова,Пенчев,Въжаров,Ангелова,Хаджиев,Желязков",
        "София,Пловдив,Варна,Бургас,Велико Търново,Стара Загора,Враца,Кърджали,Ямбол,Русе",
        "ул. Шипка 3,бул. Витоша 12,пл. Възраждане 4,ул. Хан Аспарух 7,ул. Раковски 1",
        "Хлебозавод ООД,Аптека Здраве,Строител АД,Книжарница,Търговска къща,Ъгъл ЕООД",
    ),
    "el": Words(
        ("cp1253", "iso8859-7", "mac-greek", "cp737"),
        "Όνομα;Εταιρεία;Διεύθυνση;Πόλη;Τηλέφωνο",
        "Γιώργος,Μαρία,Ελένη,Δημήτρης,Κώστας,Άννα,Σοφία,Παναγιώτης,Χρήστος,Ιωάννα,Ξένια",
        "Παπαδόπουλος,Νικολάου,Δημητρίου,Οικονόμου,Βασιλείου,Αγγελόπουλος,Ψαρράς,Καραγιάννη",
        "Αθήνα,Θεσσαλονίκη,Πάτρα,Ηράκλειο,Λάρισα,Βόλος,Ιωάννινα,Χανιά,Ρόδος,Καβάλα,Σέρρες",
        "Ερμού 3,Λεωφόρος Αλεξάνδρας 12,Πλατεία Συντάγματος 4,Τσιμισκή 7,Αγίου Δημητρίου 1",
        "Κατασκευές ΑΕ,Φούρνος Ψωμί,Φαρμακείο Υγεία,Εκδόσεις Ήλιος,Ξυλουργείο,Αφοί Οικονόμου",
    ),
    "tr": Words(
        ("cp1254", "cp857", "mac-turkish"),
        "Adı;Şirket;Adres;Şehir;Telefon",
        "Ayşe,Gökhan,İbrahim,Çiğdem,Ömer,Fatma,Şule,Hüseyin,Işıl,Uğur,Müge,Ali,Özlem,Tuğçe",
        "Yılmaz,Şahin,Öztürk,Çelik,Aydın,Doğan,Kılıç,Güneş,Koç,Yıldırım,Erdoğan,Işık,Çetin",
        "İstanbul,İzmir,Diyarbakır,Eskişehir,Muğla,Ankara,Şanlıurfa,Çorum,Iğdır,Balıkesir",
        "Atatürk Cad. 3,Cumhuriyet Mah. 12,İstiklal Cad. 4,Çınar Sok. 7,Gül Sok. 1",
        "Yıldız İnşaat Ltd. Şti.,Güneş Gıda A.Ş.,Çelik Ticaret,Öz Otomotiv,Işık Eczanesi",
    ),
    "sv": Words(
        WEST,
        "Namn;Företag;Adress;Ort;Telefon",
        "Göran,Åsa,Björn,Anna,Märta,Sören,Hjördis,Lars,Åke,Gösta,Birgitta,Östen,Håkan,Tore",
        "Sjöberg,Håkansson,Åkerlund,Lindström,Bergström,Östberg,Andersson,Nyström,Hägg,Grönlund",
        "Malmö,Göteborg,Västerås,Örebro,Linköping,Umeå,Stockholm,Jönköping,Växjö,Luleå,Gävle",
        "Storgatan 3,Kungsgatan 12,Södra vägen 4,Åsgatan 7,Norra Förstadsgatan 1,Björkvägen 8",
        "Bygg & Måleri AB,Åkeri Sjöberg,Bageri Söder,Elfirman i Malmö,Kött och Vilt,Fastighets AB",
    ),
    "da": Words(
        WEST,
        "Navn;Firma;Adresse;By;Telefon",
        "Søren,Jørgen,Bodil,Kåre,Åge,Anne,Bjørn,Grethe,Lærke,Jens,Frøydis,Malthe,Rønne,Signe",
        "Sørensen,Nørgaard,Kjær,Højgaard,Jensen,Bæk,Møller,Østergård,Hansen,Thygesen,Lønberg",
        "Århus,København,Ålborg,Helsingør,Rødovre,Næstved,Odense,Køge,Svendborg,Sønderborg",
        "Vestergade 3,Nørregade 12,Åboulevarden 4,Strøget 7,Søndergade 1,Kærvej 9,Højen 2",
        "Bageriet Sønderborg,Møller & Søn ApS,Tømrer Kjær,Grøn Energi,Malerfirma A/S",
    ),
    "fi": Words(
        WEST,
        "Nimi;Yritys;Osoite;Kaupunki;Puhelin",
        "Päivi,Jörn,Väinö,Anna,Ritva,Yrjö,Mäkelä,Sirkka,Jyrki,Hämeen,Tyttö,Äijä,Kyösti,Aino",
        "Mäkinen,Hämäläinen,Virtanen,Järvinen,Lehtimäki,Koskinen,Mäntylä,Räsänen,Pöysti,Heinonen",
        "Jyväskylä,Hämeenlinna,Seinäjoki,Helsinki,Mikkeli,Riihimäki,Järvenpää,Äänekoski,Töölö",
        "Hämeentie 3,Mäkikatu 12,Pitkäkatu 4,Itäinen kuja 7,Töölönkatu 1,Keskuskatu 9",
        "Mäkelän Leipomo Oy,Rakennusliike Järvi,Kirjakauppa,Sähkötyö Oy,Metsä ja Pelto",
    ),
    "et": Words(
        ("cp1252", "cp1257"),
        "Nimi;Ettevõte;Aadress;Linn;Telefon",
        "Jüri,Õnne,Tõnu,Ülle,Kärt,Anna,Põrk,Mihkel,Külli,Aivar,Söödor,Tõnis,Rünno,Leelo",
        "Põld,Mägi,Kõiv,Tamm,Saar,Rebane,Pärn,Õunapuu,Jõgi,Lõhmus,Kask,Sepp,Männik,Kütt",
        "Pärnu,Põlva,Võru,Jõhvi,Tallinn,Jõgeva,Rõuge,Käina,Põltsamaa,Tartu,Tõrva,Kärdla",
        "Pikk tn 3,Jõe 12,Võidu 4,Männi tee 7,Põllu 1,Kesk tn 9,Õie 2,Läänemere tee 8",
        "Põhja Leib OÜ,Ehitus OÜ,Raamatupood,Võru Mööbel AS,Jõgi ja Pojad,Külmkamber",
    ),
    "lt": Words(
        ("cp1257",),
        "Vardas;Įmonė;Adresas;Miestas;Telefonas",
        "Žydrūnas,Rūta,Šarūnas,Eglė,Jūratė,Jonas,Ąžuolas,Živilė,Kęstutis,Dalia,Mindaugas,Ieva",
        "Kazlauskas,Šimkus,Žukauskienė,Jankauskas,Petrauskaitė,Grigaliūnas,Čepas,Vaičiūnas",
        "Šiauliai,Panevėžys,Klaipėda,Vilnius,Kėdainiai,Rokiškis,Mažeikiai,Tauragė,Biržai",
        "Vilniaus g. 3,Žemaičių g. 12,Laisvės al. 4,Šv. Jono 7,Gedimino pr. 1,Ąžuolų g. 9",
        "Statyba UAB,Duonos Kepykla,Žalias Sodas,Knygų Rūmai,Šiaurės Prekyba,Įmonė UAB",
    ),
    "lv": Words(
        ("cp1257",),
        "Vārds;Uzņēmums;Adrese;Pilsēta;Tālrunis",
        "Jānis,Līga,Zigmārs,Inese,Kārlis,Ērika,Ģirts,Ilze,Žanis,Dārta,Pēteris,Anna,Ņina",
        "Bērziņš,Kalniņa,Ozoliņš,Liepiņš,Krūmiņš,Šmits,Jansons,Vītols,Āboliņa,Zariņš,Ķirsis",
        "Rīga,Jūrmala,Liepāja,Rēzekne,Jēkabpils,Daugavpils,Cēsis,Kuldīga,Ogre,Bauska,Līvāni",
        "Brīvības iela 3,Lāčplēša iela 12,Kr. Barona 4,Ģertrūdes iela 7,Dzirnavu iela 1",
        "Maizes Ceptuve SIA,Celtnieks SIA,Grāmatnīca,Zaļā Aptieka,Rīgas Dārzs,Jūras Zvejnieks",
    ),
    "nl": Words(
        WEST,
        "Naam;Bedrijf;Adres;Plaats;Telefoon",
        "Zoë,Jan,Chloé,Daniël,Anna,Noëlle,Piet,Loïs,Michaël,René,Sanne,Joël,André,Kees",
        "de Vries,Coëlho,Jansen,Brinkmann,Bakker,Crèvecoeur,de Groot,Wiërsma,van Dijk,Böhmer",
        "Coevorden,IJsselstein,Utrecht,Oranjestad,Haarlem,Sint-Maartensvlotbrug,Belgisch-Brabant",
        "Zuidzijde 3,Kerkstraat 12,Knooppunt Zeeën 4,Reeënlaan 7,Dorpsstraat 1,Poëzieplein 2",
        "Bakkerij De Kroon,Café Zuid,Financiële Diensten,Bouwbedrijf,Industriële Veiligheid",
    ),
    "en": Words(
        ("cp1252", "mac-roman", "cp850"),
        "Name;Company;Address;City;Phone",
        "John,Zoë,Mary,Chloé,Siân,Paul,Renée,Emily,Seán,Oliver,Noël,Jack,Róisín,Harry",
        "Smith,Jones,Müller,Brown,O'Brien,Núñez,Taylor,Fraser,Brontë,Wilson,Lefèvre,Evans",
        "London,Leeds,York,Cork,Bath,Dún Laoghaire,Ely,Hull,Truro,Llanfairpwll,Derry,Rhyl",
        "3 High Street,The Café 12,4 Château Close,7 Mill Lane,1 Church Road,Résidence Park",
        "Smith & Sons,Café Rouge,Acme Ltd,Budget £250,Pâtisserie Paul,Best Buy,25 °C Ltd",
    ),
}

MIXED = {
    "hu": ("de", "sk"),
    "sk": ("hu", "cs"),
    "ro": ("hu", "de"),
    "at": ("hu", "hr"),
    "fr": ("de", "es"),
    "de": ("fr", "es"),
    "it": ("de", "fr"),
    "cs": ("sk", "de"),
    "pl": ("de", "cs"),
    "es": ("pt", "fr"),
    "sv": ("fi", "de"),
    "hr": ("hu", "sl"),
}
"""Languages whose names stand among those of a language."""


@dataclass(frozen=True, slots=True)
class List:
    """A list in a code page."""

    language: str
    kind: str
    rows: int
    code_page: str
    text: str

    @property
    def content(self) -> bytes:
        """The file."""
        return self.text.encode(self.code_page)


def lists(
    seed: int, sizes: tuple[int, ...] = (3, 20, 200), languages: Iterable[str] = LANGUAGES
) -> Iterator[List]:
    """Lists of every language, kind and size in each code page that can hold them.

    Kinds: of names, addresses and companies; in capitals; of names only; with names of
    neighbouring languages; with a single line that is not English. Those with nothing beyond ASCII
    are left out.
    """
    for language in languages:
        words = LANGUAGES[language]
        for size in sizes:
            for kind in ("all", "capitals", "names", "mixed", "single"):
                chance = random.Random(f"{seed} {language} {size} {kind}")
                text = _text(language, kind, size, chance)
                for code_page in words.code_pages:
                    try:
                        content = text.encode(code_page)
                    except UnicodeEncodeError:
                        continue
                    if not content.isascii():
                        yield List(language, kind, size, code_page, text)


def _text(language: str, kind: str, size: int, chance: random.Random) -> str:
    lines = [LANGUAGES[language].header]
    if kind in {"names", "single"}:
        lines = ["Name;City;Phone"]
    special = chance.randrange(size)
    for number in range(size):
        spoken = language
        if kind == "single" and number != special:
            spoken = "english"
        elif kind == "mixed" and language in MIXED and number % 5 == 2:
            spoken = chance.choice(MIXED[language])
        cells = _cells(spoken, chance)
        if kind in {"names", "single"}:
            cells = [cells[0], cells[3]]
        if kind == "capitals":
            turkish = str.maketrans("iı", "İI") if language == "tr" else {}
            cells = [cell.translate(turkish).upper() for cell in cells]
        lines.append(";".join([*cells, f"+36 30 {chance.randrange(10**7):07}"]))
    return "\r\n".join([*lines, ""])


def _cells(language: str, chance: random.Random) -> list[str]:
    if language == "english":
        return ["John Smith", "Acme Ltd", "1 High Street", "London"]
    words = LANGUAGES[language]

    def one(among: str) -> str:
        return chance.choice(among.split(","))

    name = f"{one(words.first)} {one(words.last)}"
    return [name, one(words.company), one(words.street), one(words.city)]
