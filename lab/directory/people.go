package directory

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/brianvoe/gofakeit/v7"
)

// domain is where everybody has their mail.
const domain = "@contoso.com"

// people invents users who have nothing in common with living ones but their
// ways of being awkward.
type people struct {
	rng   *rand.Rand
	fake  *gofakeit.Faker
	taken map[string]int // mail nickname -> how many asked for it
}

func newPeople(rng *rand.Rand) *people {
	return &people{rng: rng, fake: gofakeit.NewFaker(rng, false), taken: map[string]int{}}
}

// Names that break what was only tried with plain ones: letters beyond ASCII,
// apostrophes, hyphens, spaces, great length, a single letter.
var (
	awkwardGiven = []string{
		"Jürgen", "Zoë", "Søren", "François", "Łucja", "José María", "Åse", "Anne-Sophie", "Þóra", "Ömer", "X",
		"Maximiliana Theodora Karolina Wilhelmine",
	}
	awkwardSurnames = []string{
		"O'Neill", "D'Angelo", "Müller-Lüdenscheidt", "Groß", "van der Example", "Nuñez", "Ørsted", "Čapková", "Ó",
		"Freifrau von Beispiel zu Mustertal und Langennamen",
	}
	departments = []string{
		"Engineering", "Sales", "Finance", "Research & Development", "Human Resources", "Legal", "Support", "Operations",
		"Marketing", "Procurement", "Quality", "Logistics",
	}
	languages = []string{"en-US", "en-GB", "de-DE", "fr-FR", "es-ES", "pl-PL", "ja-JP"}
	// ascii spells letters that a user principal name may not have.
	ascii = strings.NewReplacer("ü", "ue", "ö", "oe", "ä", "ae", "ß", "ss", "ë", "e", "é", "e", "í", "i", "ø", "o", "ç", "c",
		"ł", "l", "å", "a", "þ", "th", "ó", "o", "ñ", "n", "č", "c", "á", "a", " ", "")
)

// fewPercent is how often somebody's name is awkward, or an attribute missing.
const fewPercent = 4

func (p *people) chance(percent int) bool { return p.rng.IntN(100) < percent }

func pick[T any](rng *rand.Rand, from []T) T { return from[rng.IntN(len(from))] }

// next invents a user without a manager. Names differ from those of everybody
// that these people were asked for before.
func (p *people) next() User {
	u := User{AccountEnabled: true, GivenName: p.fake.FirstName(), Surname: p.fake.LastName()}
	if p.chance(fewPercent) {
		u.GivenName = pick(p.rng, awkwardGiven)
	}
	if p.chance(fewPercent) {
		u.Surname = pick(p.rng, awkwardSurnames)
	}
	u.DisplayName = u.GivenName + " " + u.Surname
	u.MailNickname = p.nickname(u)
	u.UserPrincipalName = u.MailNickname + domain
	u.Mail = u.UserPrincipalName
	u.EmployeeID = strconv.Itoa(100_000 + p.rng.IntN(900_000))
	u.Department = pick(p.rng, departments)
	u.JobTitle = p.fake.JobLevel() + " " + p.fake.JobTitle()
	u.PreferredLanguage = pick(p.rng, languages)
	u.PhysicalDeliveryOfficeName = fmt.Sprintf("%d/%d", 1+p.rng.IntN(30), 1000+p.rng.IntN(3000))
	u.StreetAddress = p.fake.StreetNumber() + " " + p.fake.StreetName() + " " + p.fake.StreetSuffix()
	u.City, u.State, u.PostalCode, u.Country = p.fake.City(), p.fake.State(), p.fake.Zip(), p.fake.CountryAbr()
	u.TelephoneNumber, u.Mobile, u.FacsimileTelephoneNumber = p.phone(), p.phone(), p.phone()
	for _, optional := range []*string{
		&u.Mail, &u.EmployeeID, &u.Department, &u.JobTitle, &u.PreferredLanguage, &u.PhysicalDeliveryOfficeName,
		&u.StreetAddress, &u.State, &u.PostalCode, &u.TelephoneNumber, &u.Mobile,
	} {
		if p.chance(fewPercent) {
			*optional = ""
		}
	}
	if !p.chance(2 * fewPercent) {
		u.FacsimileTelephoneNumber = "" // few have one
	}
	u.AccountEnabled = !p.chance(1)
	return u
}

// nickname is the part of the address before the domain. Apostrophes stay:
// Entra allows them, and they end up in filters.
func (p *people) nickname(u User) string {
	name := ascii.Replace(strings.ToLower(u.GivenName + "." + u.Surname))
	p.taken[name]++
	if n := p.taken[name]; n > 1 {
		name += strconv.Itoa(n)
	}
	return name
}

// phone is a number from the range that is kept for fiction.
func (p *people) phone() string { return fmt.Sprintf("+1 555 01%02d", p.rng.IntN(100)) }
