"""Words of each language that lists of leads are full of, chosen by hand, for `letter_prices.py`.

First names, family names, towns, streets, companies, headers and greetings; only words with letters
beyond ASCII matter there. In English, these are words and names taken from other languages.
"""

from __future__ import annotations

WORDS = {
    "hu": """
        Kőhalmi Kővári Kőrösi Kőszegfalvi Kőbánya Kővágó Kőfalvi Kőhegyi Kőszárhegy Kőris Kőkapu
        Gerő Gergely Bődi Bősze Dombrádi Erdőkertes Erdős Ernőné Fenyő Fenyvesi Hevesi Szegő
        Sőreg László József Zoltán Gábor Sándor Tamás Balázs Ádám Dániel Máté Bálint Dávid András
        Mihály Károly Jenő Ernő Dezső Rezső Kálmán Vilmos Dénes Ákos Áron Örs Csongor Szabolcs
        Rózsa Mária Erzsébet Ilona Katalin Zsuzsanna Judit Mónika Ildikó Ibolya Márta Piroska
        Krisztián Orsolya Boglárka Réka Noémi Dóra Nóra Kinga Szabó Horváth Németh Takács Juhász
        Mészáros Oláh Rácz Fehér Pintér Török Gál Szűts Bőhm Lőrincz Győri Gyöngyösi Sárközi
        Hajdú Fodor Bárány Dömötör Csősz Gőz Sütő Tőkés Csűry Bükk Fűri Kürti Lengyel Szőke
        Vörösmarty Köves Debrecen Kecskemét Békéscsaba Eger Szombathely Zalaegerszeg Kaposvár
        Veszprém Tatabánya Gödöllő Mezőkövesd Tiszaújváros Dunaújváros Esztergom Gyöngyös Hatvan
        Jászberény Kőrös Vác Kossuth Széchenyi Rákóczi Dózsa György Bartók Jókai Mór Ady Arany
        János Attila Bem tér út utca körút fasor sétány lépcső köz dűlő híd vezetéknév keresztnév
        név irányítószám település megjegyzés születési idő dátum érdeklődő ügyfél ügyfélszám
        értékesítő üdvözlettel tisztelt köszönöm időpont címzett épület emelet ajtó főváros
        kerület ország cégnév e-mailcím mérnöki iroda szövetkezet építőipari kereskedelmi
        szolgáltató műhely gyógyszertár könyvelő ügyvédi üzlet vendéglő sütöde lakatos fűtés
        hűtés víz gáz szerelő autószerviz virágüzlet tűzifa erdő mező gyümölcs zöldség élelmiszer
        gyógyfürdő szálloda nyomda ruházat cipő
    """,
    "de": """
        Jürgen Günther Jörn Björn Sören Götz Rüdiger Käthe Bärbel Dörthe Änne René André Böttcher
        Köhler Möller Schütz Schröter Krämer Bühler Förster Jäckel Kühn Lübke Nölle Rößler Rühl
        Schäffer Schöne Süß Thüring Völker Wörner Zöller Kröger Döring Hübner Günzel Hänsel
        Körner Lüdtke Mühlberg Nüßlein Pätzold Röder Schüler Strauß Voß Weißmann Preuß Heß Grüne
        Brückner Büttner Dörfler Fröhlich Gräf Höhne Hölscher Lübeck Münster Saarbrücken Lüneburg
        Osnabrück Mönchengladbach Schwäbisch Hall Görlitz Gütersloh Böblingen Österreich Zürich
        Bülach Thun Wädenswil Altötting Weißenfels Meißen Füssen Lörrach Straße Gäßchen Gässle
        Brücke Mühlweg Höhe Schloßplatz Rosenstraße Bahnhofstraße Gartenstraße Lindenstraße
        Schulstraße Dorfstraße Goethestraße Schillerstraße Ringstraße Kirchgäßchen Bürger Gebäude
        Tür Stöckl Hausnummer Länder Geschäftsführer Geschäftsstelle Büro Vermögen Versicherung
        Käufer Verkäufer Händler Rückruf Rückfrage Grüße Größe Straßenname Anschrift Empfänger
        fällig Vorname Nachname Übergabe Änderung gültig Geburtsdatum möglich für über Prüfung
        Aufträge früh Bäder Küchen Möbel Türen Getränke Gemüse Blüten Gärtnerei Tischlerei
        Schlüsseldienst Öfen Brötchen Käse Müllerei Bräu Brauerei Löwen Bären Rössl Weingüter
        Höfe Kühlung Wärme Lüftung Gerüstbau Maßschneider Fußboden Öl Süßwaren Nähmaschinen
        Präzision Dächer Fläche
    """,
    "cs": """
        Jaroslav Dvořáček Antonín Miloš Luboš Stanislav Přemysl Květa Květoslava Ludmila Štěpán
        Štěpánka Vojtěch Zdeňka Libuše Růža Jindřich Jindřiška Dušan Radka Blažena Anežka Vašek
        Matyáš Šimon Řehoř Markéta Žofie Nováková Novotný Dvořáková Černá Procházková Kučerová
        Veselý Veselá Horák Němcová Pokorný Pokorná Marešová Hájek Hájková Jelínek Jelínková
        Růžičková Benešová Fialová Sedláček Doležal Doležalová Zeman Kolář Kolářová Krejčí Čermák
        Vaněk Vaňková Urbanová Kratochvíl Šimek Bláha Kadlec Řezníček Říha Žák Havlíček Šťastný
        Štěpánek Tůma Vlček Musílek Ostrava Olomouc Hradec Králové České Budějovice Pardubice
        Zlín Jihlava Liberec Opava Havířov Karviná Frýdek Místek Třinec Přerov Prostějov Znojmo
        Hodonín Břevnov Žižkov Smíchov Holešovice Mladá Boleslav Beroun Kladno Tábor Písek
        Strakonice Jablonec Česká Lípa Šumperk Vsetín ulice třída náměstí nábřeží Nádražní Školní
        Zahradní Polní Krátká Husova Masarykova Palackého Hlavní Lesní Sadová Květinová Říční
        Příčná Jiráskova Nerudova Dvořákova Smetanova Čs. armády příjmení křestní jméno město
        obec okres PSČ země poznámka číslo účtu dům patro firma zákazník datum narození schůzka
        děkuji dobrý den vážený pán paní přítel nabídka poptávka objednávka zboží služby
        účetnictví stavebnictví truhlářství zámečnictví řeznictví květinářství lékárna pojišťovna
        kancelář restaurace hospoda autoservis řemeslo nářadí nábytek těžba výroba opravna
        tiskárna
    """,
    "sk": """
        hovoriť prísť ísť mať dať stáť vedieť chcieť platiť obnoviť päť desať šesť časť oblasť
        žiadosť možnosť starosť zvýšiť vybaviť ponúknuť objednať zaplatiť stretnúť súhlasiť
        Šťastný Košťál Ťažký Ťažká Kosť Hosťová Mišťúr Líšťanský Šťavnica Šťáva Ťava ťažba ťažný
        Zaťko Chuť chuť pamäť opäť späť deväť Jozef Peter Ľubica Ľuboslav Ľubor Ružena Alžbeta
        Katarína Anežka Vojtech Štefánia Ľudovít Dušan Miloš Tomáš Lukáš Matej Šimon Jaroslav
        Lýdia Mária Magdaléna Žaneta Drahomír Drahoslav Rastislav Ďuro Ďurko Jánošík Kováčová
        Horváthová Varga Tóth Tóthová Nagyová Molnár Molnárová Balážová Szabó Németh Lukáč
        Lukáčová Novák Polák Poláková Kollár Kollárová Kráľ Kráľová Oravec Urbánek Hudáková Šimko
        Šimková Sýkora Žák Ďurčo Ďurišová Gašpar Bartoš Bartošová Mäsiar Vlček Vlčková Hlaváč
        Hríb Pavlík Kučera Mäkký Väzeň Hájek Mišík Rusnák Hôrka Stôl Kôň Nitra Prešov Banská
        Bystrica Martin Trnava Poprad Zvolen Považská Michalovce Nové Zámky Spišská Komárno
        Humenné Bardejov Liptovský Mikuláš Ružomberok Prievidza Topoľčany Kežmarok Rožňava
        Skalica Dubnica nad Váhom Veľký Krtíš Veľké Kapušany Stará Ľubovňa Brezno Bánovce Púchov
        Pezinok Malacky ulica námestie cesta nábrežie Školská Staničná Záhradná Poľná Kvetinová
        Krátka Dlhá Mierová Nová Hviezdoslavova Štefánikova Moyzesova Jesenského Kukučínova
        Železničná Lesná Športová Družstevná priezvisko meno mesto okres PSČ krajina poznámka
        číslo účtu firma zákazník dátum narodenia ďakujem dobrý deň vážený pán pani ponuka
        objednávka tovar služby účtovníctvo stavebníctvo stolárstvo zámočníctvo mäsiarstvo
        kvetinárstvo lekáreň poisťovňa kancelária reštaurácia autoservis nábytok výroba tlačiareň
        pôda vôňa kľúč dieľňa píla strešné okná jazyková škola vzdelávanie
    """,
    "pl": """
        Józef Wojciech Kazimierz Wacław Władysław Bolesław Zdzisław Bronisław Mirosław Jarosław
        Radosław Przemysław Stanisława Elżbieta Bożena Agnieszka Małgosia Żanna Jędrzej Łucja
        Urszula Danuta Grażynka Czesław Wiesława Zbigniew Kowalczyk Wiśniewski Wiśniewska
        Kamiński Kamińska Lewandowski Zielińska Szymański Szymańska Woźniak Dąbrowski Kozłowski
        Kozłowska Jankowski Mazur Wojciechowski Krawczyk Kaczmarek Piotrowski Grabowski Zając
        Pawłowski Michalski Król Wieczorek Wróbel Nowakowski Majewski Olszewski Stępień Jaworski
        Malinowski Adamczyk Górski Górska Nowicki Pawlak Sikora Witkowski Rutkowski Walczak Baran
        Szewczyk Tomaszewski Pietrzak Marciniak Wróblewski Zalewski Jasiński Jasińska Sadowski
        Bąk Duda Chmielewski Włodarczyk Borkowski Czarnecki Sawicki Sokołowski Urbański Kubiak
        Maciejewski Szczepański Kucharski Wilk Kalinowski Mazurek Kołodziej Kaźmierczak Głowacki
        Gąsiorowski Krzemiński Cieślak Błaszczyk Kędzierski Ślusarczyk Żak Wrocław Szczecin Toruń
        Olsztyn Bielsko Biała Sosnowiec Zabrze Bytom Chorzów Gorzów Zielona Góra Płock Elbląg
        Opole Wałbrzych Włocławek Tarnów Koszalin Legnica Grudziądz Słupsk Jaworzno Piła Łomża
        Przemyśl Zamość Łowicz Łańcut Ełk Sopot Gdynia Śrem Września Żory Świecie Ostrołęka Mińsk
        Siedlce ulica aleja osiedle plac Kościuszki Mickiewicza Słowackiego Piłsudskiego Krótka
        Leśna Słoneczna Ogrodowa Szkolna Kościelna Źródlana Łąkowa Główna Wąska Spółdzielcza
        Różana Jagiellońska Górna imię nazwisko województwo miasto kraj uwagi numer piętro spółka
        właściciel klient sprzedaż usługi dziękuję dzień dobry pozdrawiam księgowość
        ubezpieczenia budownictwo ślusarstwo stolarnia kwiaciarnia apteka hurtownia zakład
        przedsiębiorstwo handlowe gospodarstwo mięso wędliny żywność łazienki części
    """,
    "sh": """
        Ivana Marijana Željka Vedrana Dražena Zdravko Slađana Nikolić Petrović Jovanović Marković
        Đorđević Stojanović Ilić Stanković Pavlović Milošević Hadžić Tomić Popović Ristić Kostić
        Lukić Božić Blažević Vuković Matić Grgić Filipović Pavić Radić Bošnjak Šarić Lončar
        Lončarić Vidović Jukić Kovač Kovačić Galić Petrić Mandić Jurišić Jelić Šimunović Vučković
        Ćosić Čović Đukić Džaja Žuvela Češić Ružić Župan Štefanić Špoljar Ćurić Mišković Dragović
        Bašić Mlinarić Perić Hadžihasanović Begović Halilović Mujić Hodžić Delić Šabić Džafić
        Omerović Škoro Rašić Aleksić Rijeka Osijek Zadar Pula Đurđevac Bjelovar Varaždinske
        Dubrovačka Petrinja Županja Novi Marof Čazma Sarajevo Goražde Bihać Tuzla Mostar Travnik
        Živinice Brčko Bijeljina Doboj Nikšić Užice Čačak Niš Subotica Zrenjanin Pančevo Kruševac
        Šabac Vršac Požarevac Kraljevo Leskovac Zaječar Aleksinac ulica trg šetalište aleja put
        cesta Gundulićeva Zrinskog Frankopanska Starčevićeva Strossmayerova Radićeva Gajeva
        Šenoina Mažuranićeva Kačićeva Braće Splitska Školska Kolodvorska Dalmatinska Đakovačka
        prezime ime grad država napomena broj kuće poduzeće preduzeće društvo tvrtke kupac datum
        rođenja hvala dobar dan poštovani gospođa gospodin ponuda narudžba trgovina usluge
        knjigovodstvo građevinarstvo stolarija bravarija mesnica cvjećara ljekarna osiguranje
        kuća štamparija namještaj prijevoz čišćenje održavanje pekarnica vrtići riječ plaća
        općina županija značajke povijest klima uređaji rasvjeta
    """,
    "sl": """
        Marija Jože Andrej Žan Žarko Blaž Tjaša Nataša Maša Mateja Stanislav Jernej Nežka Neža
        Božidar Anže Matjaž Gašper Štefan Štefka Mihaela Novak Horvat Krajnc Zupanc Potočar
        Kovačič Mlakar Vidmar Kos Bizjak Božič Kotnik Kavčičeva Rozman Petek Kastelic Oblak
        Hočevar Koželj Žagar Žibert Pečnik Štrukelj Šuštar Šuštaršič Pirc Dolenc Lešnik Černe Čuk
        Čeh Hrovatič Mežan Zajec Rupnik Marolt Škerjanc Škof Ježek Žižek Mušič Erjavec Ambrožič
        Košak Bevk Sušnik Logar Pušnik Maribor Celje Velenje Novo mesto Ptuj Trbovlje Kamnik
        Jesenice Šentjur Škocjan Šoštanj Žiri Žužemberk Krško Slovenska Bistrica Vrhnika Idrija
        Ajdovščina Sežana Sevnica Laško Litija Izlake Logatec Mengeš cesta ulica trg pot naselje
        nabrežje Celovška Dunajska Tržaška Ljubljanska Mariborska Šolska Vrtna Kolodvorska
        Cankarjeva Gregorčičeva Aškerčeva Levstikova Zaloška Šišenska Gosposvetska Župančič
        Pražakova ime priimek država opomba številka pošta hišna podjetje družba stranka datum
        rojstva hvala dober dan spoštovani gospa gospod ponudba naročilo trgovina storitve
        računovodske gradbeni mizarski ključavničar mesnica cvetličarna lekarna zavarovalnica
        gostilna tiskarski pohištvo prevozništvo čiščenje vzdrževanje okrepčevalnica kmetijska
        zadruga živila oblačila čevlji žaga železnina električne inštalacije šport
    """,
    "ro": """
        Gheorghe Constantin Ion Mihăiţă Mihăilă Ionuţ Lucreţia Luminiţa Ştefania Ştefănel Neculai
        Viorică Cătălina Răducu Iuliţa Mariţa Sorică Tănase Anişoara Aniţa Ioniţă Valerică Rusu
        Stănescu Dumitraşcu Dinu Tudorică Gheorghiţă Nistor Stăncescu Şandru Şerbănescu Ştirbu
        Bălan Bălăşoiu Bădescu Bărbulescu Bîrsan Călin Cîmpeanu Ceauşu Chiriţă Chiţu Ciobănescu
        Dănilă Dobriţa Drăgulescu Fărcaş Frăţilă Găină Ghiţă Grădinaru Hîncu Iliuţă Lăcătuş
        Mărginean Mîndru Moţ Moldoveanu Năstase Niţă Olăreanu Pătraşcu Pîrvu Răducanu Roşca Roşu
        Sîrbu Ţăranu Ţiriac Ţepeş Ungureanu Văduva Vîlcu Vrânceanu Zăvoianu Zărnescu Mâţă Câmpean
        Gâdea Braşov Craiova Ploieşti Oradea Focşani Târgovişte Râmnicu Vâlcea Drobeta Suceava
        Piatra Neamţ Botoşani Satu Mare Bistriţa Reşiţa Slatina Călăraşi Giurgiu Bârlad Zalău
        Sfântu Mediaş Hunedoara Tecuci Câmpina Câmpulung Făgăraş Dorohoi Caracal Mangalia
        Năvodari Alexandria Roşiori Feteşti Sighişoara strada bulevardul aleea şoseaua piaţa
        intrarea fundătura Libertăţii Independenţei Republicii Eroilor Victoriei Mihai Viteazul
        Bălcescu Eminescu Kogălniceanu Gării Şcolii Bisericii Câmpului Pădurii Florilor nume
        prenume localitate judeţ ţară observaţii număr telefon bloc scară etaj companie client
        data naşterii mulţumesc bună ziua stimate doamnă domnule ofertă comandă comerţ prestări
        servicii contabilitate tâmplărie lăcătuşerie măcelărie florărie asigurări societate
        mobilă tipografie curăţenie întreţinere băuturi brutărie grădină încălţăminte
        îmbrăcăminte maşini învăţământ sănătate agenţie execuţie
    """,
    "fr": """
        Benoîte Maîtrejean Delaître Dîner île îles îlot Île-de-France maître maîtresse connaître
        paraître boîte boîtier traîneau fraîche fraîcheur chaîne chaînette aîné gîte dîner abîme
        huître presqu'île voûte août goût coût croûte brûlerie sûreté mûre flûte dû bûche pâte
        pâtes bâtiments bâtisseur château châteaux Châteauneuf Châteaudun Châtillon Châtellerault
        Châtenay Châtelet Châteaubriant La Châtre Mâcot Grâce âge âgé âme plâtre plâtrerie tâche
        câble câblage théâtral gâteaux grâce lâche râpe bâche fenêtre fenêtres tête tempête fêtes
        bête pêche pêcheur crêpe crêperie prêt prêtre arrêt intérêts rêve même extrême chêne
        frêne Lefrêne Duchêne Desforêts Forêts enquête conquête vêtements évêché Évêque L'Évêque
        Pêcheux Hêtre côtes côtelette hôpital hôte hôtesse dépôt impôt rôti rôtisserie tôle
        tôlerie contrôle drôle pôle diplôme icône Côme Rhône-Alpes Saône Dôle Drôme Vendôme
        Brantôme Saint-Jérôme Le Nôtre Apôtre Hôpitaux Loïck Anaïs Maïté Thaïs Héloïse Aloïs
        Eloïse Joël Gaël Gwenaël Ismaël Noëlle Raphaëlle Israël Judicaël Élise Élodie Éric
        Étienne Édouard Émile Émilie Éloïse André Andrée Aurélie Aurélien Amélie Béatrice
        Bénédicte Cécile Céline Chloé Clémence Clément Cédric Désirée Frédéric Gérard Grégory
        Hervé Jérémy Léa Léo Léon Lætitia Maël Maëlle Mélanie Michèle Michaël Mickaël Noël Océane
        Pénélope Raphaël Rémi Régis René Renée Sébastien Solène Stéphane Stéphanie Thérèse Théo
        Valérie Véronique Zoë Inès Bérard Béranger Bérenger Fabrègues Gérardin Guérin Hébert
        Lévêque Légaré Maréchal Méric Pélissier Péron Préville Prévost Régnier Roché Sénéchal
        Vérité Éluard Lagrange Brière Carrière Frémont Grégoire Jouët Privé Rénier Labbé Combès
        Dupré Aubé Allègre Bellème Desprès Durêne Hôpital Lapôtre Lacôte Maître Plâtrier Château
        Montpellier Créteil Sète Genève Liège Montréal Québec Bâle Alès Alençon Épinal Évry
        Étampes Périgueux Vénissieux Saint-Étienne Île Rhône Isère Hérault Ardèche Lozère Côte
        Corrèze Vendée Finistère Pyrénées Vitré Fougères Châteauroux Compiègne Thionville
        Orléanais Chambéry rue allée impasse chemin quai route Général Résistance République
        Liberté Égalité Église Hôtel École Mairie Fontaine Cèdres Chênes Érables Acacias Prés
        Étang Moulin Pêcheurs Poète Père Frères prénom nom adresse numéro téléphone société
        région département pays client créé à modifié remarque référence né née métier intérêt
        été déjà reçu français où très être après merci fête général sécurité qualité boulangerie
        pâtisserie épicerie crémerie bijouterie mécanique électricité plomberie maçonnerie
        menuiserie hôtellerie pharmacie vétérinaire cliniques théâtre cinéma musée lycée collège
        université bâtiment façade reçus garçon leçon Français Provençal façonnage cœur œuvre
        sœur bœuf œillet maïs
    """,
    "es": """
        Jesús Andrés Agustín Ángela Ángeles Adrián Belén Benjamín César Cristóbal Débora Efraín
        Elías Fabián Fermín Germán Héctor Joaquín Julián Lucía Martín Matías Mónica Nicolás Noemí
        Ramón Raúl Rocío Sofía Tomás Víctor Zoé Asunción Encarnación Íker Úrsula Óliver Aarón
        Abrahán Adán Aída Rosalía Félix Simón Hernández López González Fernández Martínez
        Domínguez Jiménez Álvarez Gutiérrez Vázquez Ramírez Suárez Méndez Giménez Márquez
        Velázquez Benítez Ordóñez Yáñez Cortés Marín Durán Román Galán Beltrán Millán Roldán Díaz
        Díez Sáez Sáinz Báez Páez Calderón Rincón Cañas Cañete Castañeda Peñalver Peñafiel Zúñiga
        Avilés Bermúdez Solís Valdés Acuña Baños Carreño Espíñeira Nicolau Miño Córdoba Alcalá
        Alcorcón Móstoles Fuenlabrada Leganés Mérida Badajoz Alarcón Bogotá Medellín Málagueño
        Cartagena Vitoria Cáceres Jaén Pamplona México Perú Panamá Torrejón Algeciras Iruña calle
        avenida plaza paseo camino travesía glorieta callejón Constitución Príncipe Andalucía
        Cataluña España y Cajal San José Santa María Sebastián Jardín Jardines Estación Fábrica
        Colón apellido apellidos dirección población código teléfono móvil correo electrónico
        país compañía razón número observación observaciones fecha creación edición año niño
        señor señora mañana también más sí gracias días línea información atención gestión
        administración asesoría peluquería carpintería fontanería panadería pastelería cafetería
        librería papelería ferretería clínica óptica mecánica eléctrica informática construcción
        inmobiliaria limpieza jardinería alimentación educación formación diseño pingüe cigüeña
        instalación reparación distribución automóviles cerámicas plásticos gráficas química
        farmacéutica
    """,
    "it": """
        Niccolò Nicolò Noè Giosuè Mosè Desirée Salomè José Zoè Abbà Alì Bagalà Barbarò Barillà
        Calà Calabrò Cannavò Carrà Casà Colò Corrà Costà Foà Giuffrè Gullà Laganà Macrì Manfrè
        Marrà Muscarà Pirrò Riccò Rodà Romanò Sgrò Spanò Trifirò Vadalà Zappalà Zuccalà Failà
        Bonfà Mandalà Mulè Patanè Canicattì Erbè Almè Agliè Bascapè Cefalà Cirò Corfù Mondovì
        Patù Rodì Viggiù Vò Cirié Barzanò Temù Agrò Muggiò Cantù Santhià Nardò Salò Forlì Cefalù
        Lodè Palù Malé Castrì Oltrepò Mirabella Gualtieri Terme San Donà via piazza largo corso
        viale vicolo strada località frazione Libertà Unità Indipendenza Università Virtù Trinità
        Pietà Santità Gesù Verità Civiltà Umanità Vittoria Repubblica Carità Bontà Fraternità
        città società attività qualità novità specialità proprietà mobilità pubblicità comunità
        sanità elettricità velocità sicurezza libertà università identità età possibilità
        opportunità disponibilità metà perché poiché affinché né però può più già giù così lunedì
        martedì mercoledì giovedì venerdì è c'è cioè caffè tè bignè purè ragù tiramisù babà falò
        casinò comò oblò rondò papà sofà tribù menù sarà avrà potrà farà verrà entità quantità
        necessità modalità responsabilità capacità facoltà contabilità autorità priorità tariffà
        realtà felicità curiosità celebrità agilità utilità festività vanità serietà
    """,
    "pt": """
        José Antônio Luís Inácio Vitória Mário Flávio Fábio Fábia Cláudio Cláudia Márcio Márcia
        Sérgio Lúcia Lúcio Vinícius Patrícia Letícia Natália Júlio Júlia Otávio Débora Mônica
        Verônica Jéssica Érica Ângela Ângelo Álvaro Artur Bárbara Íris Ítalo Úrsula Zélia Emília
        Amélia Célia Cecília Virgínia Eugênia Eugénio Tomé Tomás Moisés André Simão Estêvão Adão
        Romão Beltrão Assunção Encarnação Gonçalo Gonçalves Lourenço Mendonça Bragança Alvarenga
        Araújo Ávila Brandão Brás Cabaça Câmara Corrêa Fontão Galvão Gusmão Leão Magalhães Marçal
        Mourão Paixão Pavão Peçanha Perdigão Queirós Quintão Salomão Santarém Serrão Tristão
        Valadão Vilaça Viçosa Teodósio Sá Sobrinho Leitões Simões Camões Antunes Fragoso Nóbrega
        Góis Góes Diógenes Évora Coimbra Chaves Póvoa Loulé Amarante Águeda Almeirim Estarreja
        Brasília Ceará Belém Maceió Goiânia Florianópolis Cuiabá Macapá Maranhão Paraná Pará
        Amazônia Rondônia Piauí Niterói Ribeirão Jundiaí Uberlândia Camaçari Petrópolis Taubaté
        Maringá Itajaí Caxias Santo Gravataí rua avenida praça travessa largo alameda estrada
        calçada rotunda Conceição Restauração Constituição Nação Liberdade Independência São
        Bento Pedro Sebastião António Fé Água Fonte Estação Mercês nome apelido endereço número
        código região país telefone telemóvel correio empresa cidade observações criação edição
        ação atenção informação informações não são também até só você já mês três após
        obrigações segurança seguros construção construções administração gestão transportação
        comércio indústria serviços relatório escritório imobiliária farmácia clínica padaria
        confeitaria saúde educação formação alimentação manutenção instalações refrigeração
        iluminação gráfica máquinas veículos automóveis móveis mobiliário pães maçã coração irmã
        irmão mãe mães avó avô pêssego ônibus água cônsul consultório açúcar laço preço
    """,
    "nl": """
        Daniëlle Daniëla Gabriël Gabriëlle Raphaël Rafaël Michaëla Joëlle Noël Loïs Anaïs Aïda
        Maïté Eloïse Mariëlle Mariëtte Adriënne Désirée André Andrée René Renée Cécile Hélène
        Irène Chloë Thérèse José Esmée Aimée Zoé Zoë Félice Agnès Célestine François Françoise
        Gaël Gaëlle Böhm Müller Schröder Köhler Daniëls Michiëls Gabriëls Israëls Samuëls Bouché
        Dupré Barré Carrière Rivière Lefèvre Bérenger Crêpe België Italië Australië Indonesië
        Georgië Brazilië Argentinië Algerije Tunesië Roemenië Slovenië Kroatië Bosnië Servië
        Armenië Azië Scandinavië Californië Zeeën Curaçao Geuzenveld Sint-Niklaas Liège Tweeën
        Drieën Reeën Knieën Poëzie Hawaï Haïti Israël Oekraïne Moldavië Macedonië financiën
        financiële ministerië coördinatie coördinator coöperatie coöperatief reünie ruïne
        geïnteresseerd geïnformeerd geïnstalleerd beëindigd geëindigd reïntegratie zoölogie
        vacuüm continuïteit efficiënt cliënt cliënten patiënten ingrediënten officiële
        commerciële industriële materiële speciële essentiële variëren categorieën industrieën
        batterijen ideeën knieën zeeën reële ruïnes ambiguïteit egoïst cafeïne proteïne één
        éénmaal vóór crème caféhouder café enquête entrée logé privé scène première carrière
        barrière gêne façade français Provençaals logés crèche père mère volière hé naïef mozaïek
        geëerd beïnvloed altruïsme coëfficiënt conciërge hygiëne hygiënist prioriteit audiëntie
        tapijten drieëntwintig tweeëntwintig tweeëndertig egoïstisch poëtisch zoëven skiën skiër
        geüniformeerd
    """,
    "ca": """
        Núria Mònica Sílvia Lluís Martí Òscar Àngel Àngels Josep Maria Jordi Raül Bàrbara Lídia
        Cèlia Júlia Àlex Víctor Sònia Míriam Mercè Remei Concepció Assumpció Eulàlia Antònia
        Sebastià Adrià Cristòfol Joaquim Valentí Llibertat Agustí Benjamí Fèlix Tomàs Nicolau
        Elisenda Úrsula Bartomeu Solà Puigdomènech Garcia Vilà Gibernau Camí Colomé Garriga Güell
        Roselló Peiró Fàbregas Fàbrega Sabaté Mir Carbó Carbonell Llàtzer Calbó Cantó Bofarull
        Massó Barceló Bordàs Farràs Cortès Francès Gràcia Jané Jové Llorenç Moré Pagès Perelló
        Ràfols Riè Roqué Rué Sendrós Serdà Mataró Lleida Cerdanyola Sabadell Vilafranca Penedès
        Vallès Empordà Conflent Alcúdia Dénia Elx Alacant València Palamós Cadaqués Balaguer
        Calafell Sóller Inca Maó Andratx Montcada Rubí Ripollès Berguedà Solsonès carrer avinguda
        plaça passeig travessera Diagonal Constitució Estació Església Països Catalans Sant
        cognom cognoms direcció població codi telèfon mòbil correu electrònic país empresa número
        observacions creació edició any gràcies bon dia també més això però així només després
        perquè què informació atenció gestió administració construcció instal lació educació
        alimentació formació neteja jardineria fusteria lampisteria pastisseria perruqueria
        òptica clínica mecànica elèctrica informàtica gràfiques química farmàcia caça força
        començar façana peça balança dolç braç març lliçó raïm veïna països cafeïna qüestió
        següent llengües
    """,
    "sv": """
        Göran Jörgen Sören Björn Östen Åke Håkan Måns Mårten Pär Pål Märit Märta Kjell Gösta Göte
        Bengt Örjan Kåre Åsa Jörg Ängla André Linnéa Désirée René Börje Torbjörn Asbjörn Ragnhild
        Öberg Öhman Åberg Åström Åslund Åhlén Åkesson Åkerman Ahlström Bäck Bäckman Bäckström
        Bergström Blomström Boström Dahlström Edström Ekström Engström Forsström Fällman Färdig
        Gränd Göransson Hägglund Hällström Hörnell Höglund Högberg Jönsson Jöns Källström Källman
        Kjellström Körling Lidström Lövgren Löfgren Löfström Mårtensson Månsson Mörk Mörner
        Möller Norström Näslund Näsström Nordström Ström Strömberg Söderberg Söderlund Söderström
        Sjöström Sjögren Sjölund Thörn Törnqvist Vikström Wallström Wikström Åkerblom Öström
        Östlund Östman Gävle Västervik Borås Södertälje Östersund Skellefteå Luleå Piteå
        Ängelholm Värnamo Mölndal Örnsköldsvik Åmål Härnösand Köping Nyköping Enköping Norrköping
        Lidköping Falköping Höganäs Höör Älmhult Åhus Tranås Säffle Växjö gata gatan väg vägen
        gränd gränden torg torget allé allén backe stig stigen Järnvägsgatan Björkgatan Älvvägen
        Skolgatan Ängsvägen Åkervägen Östra Västra Nygatan Trädgårdsgatan Prästgatan Rådhusgatan
        Sjövägen Hörngatan förnamn efternamn företag adress postnummer län land telefon
        kundnummer anmärkning ålder födelsedatum hälsningar skickat för är från på också när här
        måndag lördag söndag år två tjänster försäkring försäljning säljare köpare åkeri måleri
        snickeri frisör tandläkare läkare apotek kött bröd kök möbler fönster dörrar städ rör
        värme kyla trädgård bygg ägare fråga svårt språk små stå gå blå gråa råd båt måla påse
        håll hår tårta kål
    """,
    "da": """
        Jørgen Søren Bjørn Torbjørn Asbjørn Jørn Børge Bøje Åge Kåre Pål Håkon Åse Åsa Birthe
        Grøn Røde Møller Vølund Sørine Præst Bæk Bækgaard Dæhn Kjærgaard Kjær Kjærulff Ærø
        Æbeltoft Østergaard Øster Overgaard Nørby Nørgård Nørskov Søndergaard Sønderup Sørensen
        Jørgensen Grønbæk Grønlund Grøndahl Højer Højbjerg Højlund Høj Høyer Hørup Hørlyck
        Skovgård Toft Lærke Lønborg Løvgreen Mølgaard Mørch Mørk Ravnkjær Rørbæk Rønn Skjødt
        Skøtt Bøgh Bødker Brøndum Brødsgaard Bøttcher Dørge Fløe Frøslev Gøtze Kjøller Kjølby
        Kløve Bøg Knøsgaard Kofød Krøll Krøyer Lindegård Ågård Åkjær Damgård Kirkegård Nygård
        Vestergård Østerby Kærgård Aalborg Roskilde Esbjerg Kolding Hørsholm Køge Tårnby
        Helsingør Sønderborg Skanderborg Hjørring Frederikshavn Nørresundby Tønder Åbenrå
        Aabenraa Nyborg Holbæk Kalundborg Præstø Næstved Ringkøbing Lemvig Rønne Bogø Fanø Læsø
        Frederiksværk Hillerød Birkerød Lillerød Brøndby Måløv Ballerup Gråsten Nakskov Rødby
        Marstal Ærøskøbing Ølstykke gade vej allé stræde torv plads bakke høje have mølle
        Møllevej Kirkevej Skolegade Søvej Strandvej Østergade Ågade Algade Nørrebro Østerbro
        Vesterbro Åvej Bøgevej Æblevej Kærvej Lærkevej Sønder Boulevard Rådhuspladsen Havnegade
        fornavn efternavn firma adresse postnummer by land telefon kunde bemærkning bemærkninger
        fødselsdato hilsen også på når får først søndag lørdag år træ hæk æg køb salg sælger
        køber rådgivning forsikring tømrer malerfirma smørrebrød frisør tandlæge læge apotek kød
        brød køkken møbler døre vinduer rengøring varme køling træning grøntsager fødevarer
        østers købmand bageri gård gårdejer gæst værksted bådebygger skibsværft håndværk
        håndværker ejendomsmægler
    """,
    "nb": """
        Bjørn Torbjørn Jørgen Jørn Sørine Bjørg Torbjørg Åse Åshild Ågot Åsmund Kåre Håkon Håvard
        Pål Pålsen Ståle Ørjan Øystein Øyvind Øivind Ødegård Sølvi Bjørnar Frøydis Gøran Jøran
        Magnhild Målfrid André Renée Désirée Bråthen Bråten Bøe Bø Børresen Fjære Fjørtoft Færøy
        Gjærum Grønli Grønvold Gulbrandsen Hågensen Høiby Høyer Hågen Håland Johnsgård Jørgensen
        Kjær Kjølstad Kråkenes Kvåle Lærdal Løken Løvås Løvold Mæland Måseide Mørk Møllerud
        Nygård Nærø Nøstvik Rødland Rønning Rørvik Røed Sæther Sæbø Sætre Sørli Sørlie Sørbø
        Søvik Sjøli Skjæveland Skår Skåre Strømme Strøm Tømmerås Tøndel Tveitå Vågen Våge Vårli
        Ødegaard Østby Østli Øverland Øvrebø Ålesund Ås Årdal Åndalsnes Bodø Tromsø Kristiansund
        Hønefoss Jørpeland Larvik Sandnessjøen Drøbak Fåvang Gjøvik Hamarøy Moelv Måløy Narvik
        Porsgrunn Røros Rødøy Stjørdal Stord Sørfold Tønsberg Trondheim Vadsø Vågsøy Vardø
        Fredrikstad Mosjøen Brønnøysund Florø Førde Askøy Bærum Lillestrøm Lørenskog Nordmøre
        Sogn Sør-Varanger Østfold gate veien vei plass torg allé bakke Storgata Kirkegata
        Skolegata Nygårdsgata Sjøgata Strandgata Bjørkeveien Rådhusgata Østre Vestre Søndre
        Nordre Skogveien Åsveien Bråtenveien Lærerveien Fjordgløtt Høyden Måkeveien Ørneveien
        fornavn etternavn firma adresse postnummer poststed land telefon kunde merknad
        fødselsdato hilsen også på når får første søndag lørdag måned år kjøp salg selger kjøper
        rådgivning forsikring tømrer snekker frisør tannlege lege kjøtt brød kjøkken møbler dører
        vinduer rengjøring rør varme kjøling grønnsaker fôr snø øl båt bår sjømat lærling
        regnskapsfører byggmester rørlegger blikkenslager maskinfører kjøreskole håndverk våren
        kråke fjære være lære
    """,
    "fi": """
        Päivikki Väinö Yrjänä Pärttyli Pentti Kyllikki Terttu Mäki Sointu Tyyne Kerttu Säde Päivö
        Räty Tähti Lyyli Tyyni Määttä Käyhkö Jääskä Väyry Yrttiaho Björkman Korhonen Nieminen
        Mäkelä Laine Heikkinen Järvelä Hämäläinen Lämsä Väisänen Räikkönen Pöyhönen Hyvärinen
        Häkkinen Häkkänen Härkönen Jääskeläinen Järvi Jämsä Kähkönen Kärkkäinen Käpylä Kääriäinen
        Lähde Lähteenmäki Länsimäki Löytönen Määttänen Mäenpää Mönkkönen Myllymäki Mähönen
        Mänttäri Mäntysaari Nykänen Näätänen Pääkkönen Pesonen Pyykkö Pöllänen Pääsky Rämö Rättö
        Ryhänen Räisänen Rönkkö Rönnqvist Särkkä Seppälä Säilä Tähkä Törmälä Törrönen Töyrylä
        Uusimäki Vähäkangas Väänänen Vänskä Väyrynen Ylönen Yli-Mäyry Ylämäki Äijälä Äkäslompolo
        Öhman Ängeslevä Särkelä Kemijärvi Nivala Ähtäri Ylöjärvi Pyhäjoki Pyhäjärvi Hyvinkää
        Lohja Nokia Mänttä Mäntsälä Järvenpään Kärsämäki Kiuruvesi Kitee Kemiö Säkylä Sysmä
        Säynätsalo Töysä Orivesi Vähäkyrö Ylistaro Äetsä Mäntyharju Pälkäne katu tie kuja polku
        väylä tori Kirkkokatu Koulukatu Mäkitie Metsätie Rantatie Niittytie Päiväkodintie
        Länsiväylä Itäkatu Pohjoisesplanadi Hämeenkatu Käpytie Kivimäentie Myllytie Mäntytie
        Lähdetie Pellonpää Järvitie Yhdystie etunimi sukunimi yritys osoite postinumero
        postitoimipaikka maa puhelin asiakas syntymäaika terveisin hyvää päivää kiitos päivä yö
        tänään myös että mitä missä sekä jälkeen ennen myynti ostaja lisätiedot sähköposti sähkö
        lämpö käsityö rakennus leipä määrä näyttö säätö pöytä työ tyttö yhtiö henkilö käyttäjä
        järjestelmä hinta sää jää näky täysi väri pääkaupunki hyväksytty lähetetty kenttä syötä
        tekijä tili tilaaja tähän yhteys hyötyajoneuvo säätiö yhdistys liiketoimi
    """,
    "is": """
        Jón Guðrún Sigríður Kristín Margrét Ingibjörg Helgi Ólafur Ólöf Þór Þóra Þorsteinn
        Þorgerður Björk Björn Sæunn Jóhann Jóhanna Jökull Óskar Páll Pétur Sigurður Stefán Tómas
        Ásdís Ágúst Árni Ásta Ævar Þröstur Örn Össur Úlfur Jónsson Jónsdóttir Sigurðsson
        Sigurðardóttir Guðmundsson Guðmundsdóttir Ólafsson Ólafsdóttir Þorsteinsson Pálsson
        Kristjánsdóttir Árnason Stefánsdóttir Björnsson Björnsdóttir Jóhannesson Einarsdóttir
        Magnúsdóttir Pétursdóttir Reykjavík Kópavogur Hafnarfjörður Akureyri Reykjanesbær
        Garðabær Mosfellsbær Árborg Akranes Seltjarnarnes Ísafjörður Fjarðabyggð Vestmannaeyjar
        Hveragerði Sauðárkrókur Húsavík Egilsstaðir Borgarnes Höfn Þorlákshöfn Siglufjörður gata
        vegur stígur torg braut Laugavegur Skólavörðustígur Aðalstræti Hafnarstræti Bankastræti
        Lækjargata Suðurlandsbraut Miklabraut Háaleitisbraut Hringbraut Bæjarlind Hlíðarsmári
        Ármúli Síðumúli Skeifan Þverholt Brautarholt Sæbraut fornafn eftirnafn fyrirtæki
        heimilisfang póstnúmer staður land sími viðskiptavinur athugasemd fæðingardagur kveðja
        góðan daginn takk fyrir já það við sem ekki hafa verið þetta þegar síðan verður ár
        mánuður sölumaður trygging bakarí hárgreiðslustofa tannlæknir apótek verkstæði húsgögn
        hreingerning byggingarfélag útgerð fiskvinnsla bílaleiga
    """,
    "lt": """
        Jūratė Rūta Eglė Aušra Birutė Daiva Živilė Žilvinas Žygimantas Žygis Šarūnė Česlovas
        Saulė Saulius Mūza Neringa Ugnė Gabrielė Austėja Goda Emilė Kotryna Viltė Liepa Ieva Urtė
        Justė Deimantė Aistė Kazlauskienė Jankauskienė Petrauskienė Stankevičius Stankevičienė
        Vasiliauskas Žukauskas Butkus Butkienė Paulauskienė Urbonas Urbonienė Kavaliauskas
        Navickas Navickienė Rimkus Rimkutė Šimkienė Jonaitė Jonaitienė Matulionytė Mažeika
        Mickevičius Sinkevičius Sakalauskaitė Vaitkūnas Vaitkevičius Žemaitis Žemaitienė
        Žilinskas Žvirblis Čiurlionis Česnauskas Gudaitė Grigaitė Ivanauskienė Jakštas Jasiūnas
        Jočys Kučinskas Kubiliūtė Lukoševičius Mačiulis Mikalauskienė Norkūnas Norvaiša Pocius
        Pociūtė Račkauskas Ramanauskaitė Šapoka Šeškus Šulskis Tamošiūnas Ūsas Vyšniauskas Kaunas
        Alytus Marijampolė Utena Telšiai Plungė Kretinga Šilutė Radviliškis Palanga Druskininkai
        Visaginas Ukmergė Joniškis Elektrėnai Jurbarkas Garliava Vilkaviškis Raseiniai Anykščiai
        Naujoji Akmenė Prienai Kelmė Švenčionys Kupiškis gatvė alėja prospektas kelias aikštė
        Laisvės Žalgirio Vytauto Kęstučio Mindaugo Šviesos Miško Sodų Pušų Liepų Beržų Dariaus ir
        Girėno Nepriklausomybės Savanorių Žirmūnų Ukmergės Ozo Konstitucijos Šilo Ežero Upės
        Tilžės Šiaulių Ryšių vardas pavardė įmonė adresas miestas šalis pašto kodas telefonas
        pastabos gimimo data klientas ačiū laba diena pagarbiai žmogus ši tą jų mūsų jūsų kuri
        yra dėl už iš į šią kitų naujų pardavėjas pirkėjas paslaugos draudimas statybų įrenginiai
        baldų kepykla gėlės vaistinė kirpykla dantų gydytojas mėsa duona langų durų šildymas
        vėdinimas žemės ūkis grūdai medžių parduotuvė įmonių apskaitos buhalterinė valymas
        žaislai šaldytuvas ąžuolas įranga įstaiga lėktuvas lėšos
    """,
    "lv": """
        Jānis Andris Juris Edgars Mārtiņš Mārīte Māra Mārcis Kārlis Kristīne Kristīna Līga Lāsma
        Inga Inguna Zane Sandra Anita Ināra Ārija Dzintra Dace Elīna Elīza Ēriks Ēvalds Gunārs
        Ģertrūde Ģederts Jēkabs Jāzeps Ķirils Ļena Ļubova Normunds Ņikita Pāvils Pēteris Rūta
        Rūdolfs Sāra Sņežana Skaidrīte Šarlote Tālis Tālivaldis Ulvis Ūna Vējš Žanete Bērziņa
        Kalniņš Ozoliņa Liepiņa Krūmiņa Jansone Krastiņš Balodis Balode Eglītis Eglīte Zariņa
        Pētersons Pētersone Vītola Kļaviņš Kļaviņa Kārkliņš Kārkliņa Vanags Vanaga Grīnbergs
        Grīnberga Āboltiņš Āboltiņa Ābele Rozītis Rozīte Siliņš Siliņa Cīrulis Cīrule Lūsis Lūse
        Dūmiņš Dzenis Gailītis Gailīte Jēkabsons Jēkabsone Ķīsis Lācis Lāce Mūrnieks Ņefedova
        Pūce Pūcītis Rudzītis Rudzīte Sprūdžs Sīlis Strautiņš Šteins Šmite Tīrums Upītis Upīte
        Ūdris Veidemanis Zālītis Zvirbulis Ventspils Jelgava Valmiera Salaspils Tukums Sigulda
        Olaine Talsi Saldus Dobele Limbaži Krāslava Ludza Mārupe Ādaži Jūrkalne Ķekava Iecava
        Smiltene Gulbene Madona Alūksne Ikšķile Līgatne Mazsalaca Rūjiena Āgenskalns Ķengarags
        Ķemeri iela gatve prospekts ceļš laukums bulvāris Skolas Dārza Pļavu Meža Kalnu Jūras
        Upes Raiņa Čaka Valdemāra Elizabetes Lāčplēša Kr. Stabu Tērbatas Ganību Ķieģeļu Stacijas
        Rūpniecības Zvaigžņu Bērzu Kļavu Liepājas Rēzeknes Ģimnāzijas vārds uzvārds uzņēmums
        adrese pilsēta valsts pasta indekss tālrunis piezīmes dzimšanas datums klients paldies
        labdien cieņu šis tā viņš viņa mūsu jūsu kas ir pēc no ar par gadā mēnesī pārdevējs
        pircējs pakalpojumi apdrošināšana būvniecība mēbeles maiznīca ziedu aptieka frizētava
        zobārsts ārsts gaļa maize logi durvis apkure ventilācija lauksaimniecība koki veikals
        grāmatvedība uzkopšana ēdnīca šūšana iekārtas ēka dzīvoklis stāvs īpašums zemnieku
        saimniecība kāzas bērnu
    """,
    "tr": """
        Mehmet Ayşegül Gülşen Gülşah Hülya Şükrü Şükran Şebnem Şenol Şevket İsmail İlker İlknur
        İpek İrem İnci Işılay Işın Özgür Özge Özcan Ömür Önder Öznur Ümit Ülkü Ünal Üzeyir Çağlar
        Çağrı Çağla Çetin Cüneyt Müslüm Müjde Müjgan Nurgül Songül Gülay Gülten Güler Günay
        Görkem Gökçe Göksel Oğuz Oğuzhan Tuğba Tuğrul Yiğit Yağmur Doğa Doğukan Buğra Çağatay
        Kağan Kaya Demir Şimşek Şentürk Yıldız Özdemir Arslan Aslan Doğru Kurtuluş Özkan Şen
        Korkmaz Çakır Özer Yalçın Gündüz Yüksel Sağlam Bozkurt Şeker Işıklı Turgut Keskin Ünlü
        Tekin Özçelik Köse Kılınç Ateş Çoban Altıntaş Altınok Akgün Karadağ Karataş Karakuş Akdağ
        Akbaş Aktaş Taş Taşkın Topçu Topuz Uğurlu Uysal Uçar Türkmen Türk Tunç Sönmez Soğuk Sarı
        Ağaoğlu Çavuşoğlu Hacıoğlu Kadıoğlu Müftüoğlu İmamoğlu Bayraktaroğlu Kocabıyık Yazıcı
        Demirci Ekmekçi Kuyumcu Çiftçi Kadıköy Üsküdar Beşiktaş Şişli Bakırköy Beyoğlu Ümraniye
        Pendik Kartal Çankaya Keçiören Bornova Karşıyaka Konya Adıyaman Gaziantep Kahramanmaraş
        Muş Ağrı Iğdır Kırşehir Kırklareli Nevşehir Niğde Tekirdağ Uşak Çanakkale Çankırı
        Eskişehirli caddesi sokağı mahallesi bulvarı meydanı apartmanı kat daire Cumhuriyet
        Atatürk İnönü İstiklâl Fatih Çarşı Köprü Gül adı soyadı şehir ilçe ülke telefon şirketi
        müşteri doğum tarihi açıklama teşekkürler sayın merhaba günaydın değil için çok güzel
        değer öğretmen öğrenci işletme sanayi inşaat nakliyat gıda tekstil mobilya fırın kasap
        çiçekçi eczane sigorta muhasebe temizlik tarım hayvancılık kuaför dişçi dükkân lokanta
        köfte börek döner kâğıt lâzım rüzgâr mühendislik danışmanlık otomotiv sağlık eğitim büro
        bilgisayar yazılım satış alış ürün ürünleri müdürlüğü başkanlığı kırtasiye ayakkabı giyim
    """,
    "en": """
        café cafés cliché décor détente éclair élite entrée exposé façade fiancé fiancée matinée
        naïve naïveté née passé protégé protégée purée résumé résumés rosé roué sauté séance
        soirée soufflé touché la carte crème crêpe crêperie mêlée pièce première raison d'être
        über jalapeño piñata señor señorita mañana El Niño Española Tomé Curaçao Réunion d'Ivoire
        Zoë Chloë Chloé Noëlle Renée René Andrée André Beyoncé Desirée Esmé Aimée Salomé José
        Josée Andrés Ángel Inés Mónica Verónica Sebastián Adrián Óscar Begoña Peña Nuñez Muñoz
        Pérez González Fernández Hernández López Sánchez Jiménez Gómez Séamus Seán Máire Pádraig
        Sinéad Siobhán Ciarán Gráinne Órla Éamon Éabha Dónal Tadhg Cáit Ó Briain Néill Mháille
        Fionnán Rónán Áine Éire Dáil Gaeilge Brontë Citroën Nestlé Hermès Moët L'Oréal Peugeot
        Jürgen Müller Schröder Köhler Günther Björn Sören Jörg Götz Böhm Kühn Krüger Möller
        Hélène Françoise François Gérard Agnès Thérèse Geneviève Cécile Zürich Köln München
        Düsseldorf Málaga Québec Montréal Orléans Besançon Bogotá México Panamá Córdoba Mérida
        coördinate preëminent Noël naïf Pokémon appliqué blasé canapé communiqué consommé coupé
        fête hors macramé ménage négligé outré précis
    """,
    "ru": """
        Александр Александра Алёна Алексей Анастасия Андрей Антон Артём Борис Вадим Валентина
        Валерий Варвара Василий Вера Виктор Виталий Владимир Владислав Вячеслав Галина Геннадий
        Георгий Григорий Денис Евгений Елена Елизавета Зинаида Игорь Ирина Кирилл Константин
        Ксения Лариса Леонид Любовь Максим Маргарита Марина Мария Михаил Надежда Никита Николай
        Нина Олег Павел Полина Роман Светлана Семён Софья Станислав Степан Тамара Татьяна Тимофей
        Ульяна Фёдорович Эдуард Юрий Яков Ярослав Иванов Иванова Смирнов Кузнецова Васильев
        Васильева Петрова Соколов Михайлов Новиков Фёдоров Морозов Волков Алексеев Лебедев
        Семёнов Егоров Павлов Козлов Степанов Николаев Орлов Андреев Макаров Никитин Захаров
        Зайцев Соловьев Борисов Яковлев Григорьев Романов Воробьёв Сергеев Кузьмин Фролов
        Александров Дмитриев Королёв Гусев Киселёв Ильина Максимов Поляков Сорокин Виноградов
        Ковалёв Белов Медведев Антонов Тарасов Жуков Баранов Филиппов Комаров Давыдов Беляев
        Герасимов Богданов Осипов Сидоров Матвеев Титов Марков Миронов Крылов Куликов Карпов
        Власов Мельников Денисов Гаврилов Новосибирск Самара Омск Челябинск Ростов-на-Дону
        Красноярск Воронеж Волгоград Саратов Тольятти Ижевск Барнаул Ульяновск Иркутск Хабаровск
        Ярославль Владивосток Махачкала Томск Оренбург Кемерово Новокузнецк Астрахань Пенза
        Липецк Тула Киров улица проспект переулок площадь шоссе бульвар набережная проезд дом
        корпус квартира офис этаж Советская Центральная Молодёжная Школьная Лесная Набережная
        Октябрьская Комсомольская Первомайская Пушкина Кирова Победы Гагарина Заречная имя
        фамилия отчество телефон адрес город индекс область край район компания организация
        должность примечание дата рождения клиент спасибо здравствуйте уважаемый общество
        ограниченной ответственностью торговый магазин строительная производство мебель аптека
        клиника стоматология автосервис грузоперевозки страхование бухгалтерия юридические услуги
    """,
    "uk": """
        Олександра Анастасія Андріана Антон Богдан Борис Валентин Василь Віра Віталій Володимир
        Галина Григорій Дарина Дмитро Ігор Ілля Інна Катерина Кирило Костянтин Лариса Леонід
        Людмила Максим Марія Микола Михайло Назар Надія Олег Олена Ольга Павло Петро Роман
        Світлана Софія Станіслав Степан Тетяна Федір Юрій Яна Ярослав Зіновій Євгенія Єлизавета
        Їлона Ґалаґан Шевчук Кравчук Кравченко Бондаренко Ткаченко Олійник Поліщенко Марченко
        Савченко Руденко Петренко Левченко Павленко Клименко Харченко Пономаренко Романюк Мороз
        Гончаренко Гончарук Мазур Кузьменко Іваненко Іванчук Гаврилюк Яременко Панченко
        Захарченко Левчук Зінченко Семенюк Тимошенко Литвин Лисак Козак Білик Білоус Дяченко
        Назаренко Коломієць Вінничук Ґудзь Єременко Жук Заєць Їжакевич Киричук Міщенко Нечай
        Остапчук Пилипенко Сидоренко Терещенко Хоменко Яковенко Донецьк Кривий Ріг Миколаїв
        Маріуполь Херсон Полтава Чернігів Черкаси Житомир Суми Хмельницький Івано-Франківськ
        Ужгород Кропивницький Біла Церква Краматорськ Мелітополь Бровари Бориспіль Кременчук
        Кам'янець Ізмаїл Дрогобич Ковель Мукачево вулиця проспект провулок площа бульвар шосе
        набережна будинок квартира поверх Шевченка Франка Грушевського Незалежності Центральна
        Шкільна Садова Лісова Молодіжна Соборна Зелена Набережна Козацька Київська Миру Гагаріна
        Перемога Польова ім'я прізвище по батькові телефон адреса місто індекс область район
        країна компанія організація примітка дата народження клієнт дякую вітаю шановний
        товариство обмеженою відповідальністю підприємство магазин будівельна виробництво меблі
        клініка стоматологія автосервіс перевезення страхування бухгалтерія юридичні послуги хліб
        м'ясо квіти цілодобово їжа
    """,
    "bg": """
        Иван Димитър Николай Петър Христо Тодор Васил Стефан Атанас Ангел Йордан Илия Кирил
        Красимир Любомир Пламен Румен Стоян Валентин Венцислав Владимир Бойко Божидар Борислав
        Веселин Галин Даниел Деян Емил Жеко Златко Йоана Калин Лъчезар Момчил Надежда Огнян
        Павлина Радослав Светлин Силвия Снежана Станимир Теодора Цветелина Чавдар Юлиян Явор Ясен
        Ивелина Гергана Василка Виолета Галя Даниела Елена Жана Здравка Ирина Катя Лиляна
        Маргарита Невена Петя Росица Стефка Таня Христина Цонка Георгиев Георгиева Димитрова
        Петров Петрова Николов Николова Христов Христова Стоянова Тодоров Тодорова Илиев Илиева
        Ангелов Колев Колева Атанасов Атанасова Василев Василева Йорданов Йорданова Маринов
        Маринова Митев Митева Костов Костова Ковачев Русев Въчев Въжарова Гърков Дърмонски
        Кръстев Кръстева Първанов Първанова Съботинов Търновски Ъглов Щъркелов Цонев Юруков
        Плевен Сливен Добрич Шумен Перник Хасково Пазарджик Благоевград Видин Монтана Ловеч
        Габрово Разград Търговище Кюстендил Смолян Силистра Асеновград Казанлък Дупница Свищов
        Карлово Самоков Несебър Поморие Банско Сандански Петрич Троян Севлиево улица булевард
        площад квартал жилищен комплекс вход етаж апартамент Ботев Левски Цар Борис Княз
        Александър Отец Паисий Св. и Методий Патриарх Евтимий Граф Игнатиев Черни връх България
        Съединение Освобождение Възраждане име презиме фамилия телефон адрес град пощенски код
        област държава фирма дружество забележка дата на раждане клиент благодаря здравейте
        уважаеми търговско строителство производство мебели аптека клиника зъболекар автосервиз
        превоз застраховане счетоводство адвокатска кантора хляб месо цветя къща вълна въздух
        ъгъл щастие пъстърва мъже жени вътрешен
    """,
    "mk": """
        Александар Никола Ѓорѓи Ѓорѓе Ѓоко Стојан Јован Љупчо Љубица Љубомир Благоја Боро Весна
        Горан Дејан Драган Елена Живко Зоран Ивана Јасмина Катерина Кирил Кристијан Лидија Марија
        Мирјана Наташа Оливера Петар Радмила Сашо Светлана Снежана Стефан Тања Трајче Филип
        Христијан Цветан Џоко Ќиро Ѕвездан Ѕвонко Њешка Ристо Трајко Митко Крсте Ацо Стојановски
        Јовановски Николовски Петровски Трајковски Ристовски Димовски Ѓорѓиевски Ѓорѓиевска
        Атанасовски Илиевски Стефановски Тодоровски Ангеловски Божиновски Велковски Костовска
        Марковска Митревски Наумовски Павловска Спасовски Ќосевски Скопје Битола Куманово Прилеп
        Тетово Велес Штип Охрид Гостивар Струмица Кавадарци Кочани Кичево Струга Радовиш
        Гевгелија Дебар Крива Паланка Свети Николе Неготино Делчево Виница Ресен Пробиштип Берово
        Кратово Крушево Валандово Ѓевѓелија улица булевар плоштад населба Македонија Партизанска
        Гоце Делчев Илинденска Октомври Маршал Тито Климент Охридски име презиме телефон адреса
        град држава поштенски број фирма друштво забелешка датум на раѓање клиент благодарам
        здраво почитувани градежништво производство мебел аптека клиника автосервис превоз
        осигурување сметководство адвокат леб месо цвеќе куќа ноќ меѓу ѓубре ѕид ѕвезда ќерка
        љубов њива џеб одјава најава јазик зајак убаво последно продажба услуги
    """,
    "sr": """
        Александар Никола Стефан Марко Лука Филип Вук Лазар Димитрије Михаило Ђорђина Урош Матеја
        Вања Љубомир Љиљана Љубинка Светлана Снежа Милош Милан Миломир Мирјана Марија Јелена
        Јована Јасмина Катарина Тамара Тијана Теодора Анђела Анђелија Борис Бранислав Бранко
        Бојан Владимир Војислав Горан Гордана Дејан Дарко Душан Дубравка Зоран Зорица Ивана Игор
        Жарко Жељко Желимир Небојша Његослав Предраг Радован Радмила Саша Славица Слободан Срђан
        Ћирило Чедомир Џејна Шћепан Новак Николић Ђорђевић Стојковић Илићи Станковић Павловић
        Милошевић Поповић Ристић Костић Лукић Тодоровић Стефановић Симић Лазић Лазаревић Митровић
        Томић Благојевић Васић Вуковић Вујић Гајић Гавриловић Дабић Драгићевић Ђокић Ђукановић
        Жижић Ивановић Јанковић Јевтић Јокић Кнежевић Ковачевић Крстић Љубојевић Максимовић
        Миладиновић Милић Мирковић Недељковић Обрадовић Пантић Пешић Радић Рајковић Савић Спасић
        Тасић Ћирић Ћосић Филиповић Цветковић Чолић Џунић Шћекић Шарић Његован Зрењанин Панчево
        Сомбор Кикинда Вршац Смедерево Пожаревац Лесковац Врање Ужице Крагујевац Пирот Зајечар
        Бор Неготин Јагодина Параћин Ћуприја Горњи Милановац Пријепоље Нови Пазар Прокупље
        Алексинац Рума Инђија Стара Пазова Обреновац Земун Вождовац улица булевар трг сокаче
        насеље Краља Петра Немањина Таковска Светосавска Цара Душана Вука Караџића Саве
        Ковачевића име презиме телефон адреса град општина држава поштански број предузеће
        друштво напомена датум рођења купац хвала поштовани господин госпођа понуда поруџбина
        трговина услуге књиговодство грађевинарство столарија месара цвећара апотека осигурање
        кућа штампарија намештај превоз чишћење одржавање љубав њива џак међа ноћ већ још јер
        који због
    """,
    "el": """
        Αλέξανδρος Αλεξάνδρα Αναστασία Ανδρέας Αντώνης Απόστολος Αθανάσιος Βασίλης Βασιλική
        Γεώργιος Γεωργία Δέσποινα Δήμητρα Διονύσης Ειρήνη Ευάγγελος Ευαγγελία Ζωή Θεόδωρος Θωμάς
        Ιωάννης Κατερίνα Κωνσταντίνος Κωνσταντίνα Λάμπρος Μαργαρίτα Μιχάλης Νίκος Νικόλαος Όλγα
        Παύλος Πέτρος Σταύρος Σπύρος Στέλιος Στυλιανός Σωτήρης Φώτης Χαράλαμπος Χριστίνα Άγγελος
        Παπαδοπούλου Γεωργίου Ιωάννου Κωνσταντίνου Χριστοδούλου Παπανικολάου Αντωνίου Θεοδώρου
        Μακρής Παππάς Βλάχος Αθανασίου Αναγνωστόπουλος Σπανός Μαυρίδης Ιωαννίδης Γεωργιάδης
        Κυριακίδης Ζαχαρίου Τσακίρης Χατζής Χατζηδάκης Παπαγεωργίου Ράπτης Καλαμάτα Κέρκυρα
        Τρίκαλα Αλεξανδρούπολη Κομοτηνή Ξάνθη Δράμα Κοζάνη Καστοριά Κατερίνη Λαμία Χαλκίδα
        Κόρινθος Πειραιάς Περιστέρι Καλλιθέα Γλυφάδα Μαρούσι Κηφισιά Νέα Σμύρνη Λευκωσία Λεμεσός
        Λάρνακα Πάφος Μύκονος Σύρος Άργος Ναύπλιο οδός λεωφόρος πλατεία πάροδος όροφος διαμέρισμα
        Ακαδημίας Πανεπιστημίου Σταδίου Πατησίων Κηφισίας Βενιζέλου Εθνικής όνομα επώνυμο
        τηλέφωνο διεύθυνση πόλη νομός χώρα ταχυδρομικός κώδικας εταιρία παρατηρήσεις ημερομηνία
        γέννησης πελάτης ευχαριστώ καλημέρα αξιότιμε εμπόριο υπηρεσίες οικοδομικές έπιπλα
        φαρμακεία κλινική οδοντίατρος συνεργείο μεταφορές ασφάλειες λογιστικό δικηγορικό γραφείο
        ψωμί κρέας λουλούδια σπίτι τρόφιμα γαϊδούρι Μαΐου προϊόντα ξυλεία ηλεκτρολόγος
    """,
    "et": """
        Jürgen Jüri Jörgen Ülo Ülar Ülari Üllar Ülvi Õie Ähto Märt Märten Küllike Külliki
        Läänelaid Tõll Virve Väino Žanna Saša Mägine Mölder Möldri Kõrv Kõrvits Kõrge Lõuna Lõoke
        Rõõmus Sõber Sõrmus Tõnisson Tõnismäe Võsu Võrk Võsa Õigus Õispuu Õunap Põder Põdra Põllu
        Põldmaa Pärtel Pärnpuu Pärna Kärner Käär Kääpa Mänd Mäe Mäeots Mäesalu Lääne Läte Lätt
        Sääsk Säde Säär Vähi Väli Väljas Väljaots Hämarik Hänni Jääger Jürgenson Jürisoo Künnap
        Küla Külaots Kütt Lüüs Müür Müürsepp Nõmm Nõmme Nõlvak Püvi Rüütel Rüütli Süld Sütt Tüür
        Tüürmann Ülem Üprus Hõbe Hõbemägi Höövel Köster Köörna Lõhmuste Öpik Kuressaare Rakvere
        Sillamäe Maardu Viljandi Haapsalu Kohtla-Järve Türi Elva Räpina Jõhvis Põlvas Pärnus
        Võrus Kärdlas Mõisaküla Põltsamaal Tõrvas Tõstamaa Käsmu Võsul Mustamäe Lasnamäe Õismäe
        Nõmmel Põhja Kõpu Häädemeeste Märjamaa Jõelähtme Viimsi Hüüru Vändra tänav maantee
        puiestee põik väljak käänak Pärnu Võidu Põik Jõe Väike Metsa Kesk Õpetaja Müürivahe
        eesnimi perenimi ettevõte aadress linn riik postiindeks märkus sünniaeg klient aitäh tere
        päevast lugupeetud täna homme või kõik üks kümme küsi küsimus öö päev töö tööle söök köök
        käsi kätt mööbel mööblit ehitustööd küte küttesüsteemid jäätmed põllumajandus müük müüja
        ostja teenused kindlustus raamatupidamine juuksur hambaarst arst apteek liha leib lilled
        õmblus trükikoda kõrts võõrastemaja täiendav kõne sõna sõbrad õlu õun õppimine žanr
        šokolaad garaaž šampoon tšekk dušš finiš žürii
    """,
}
