package aliyun

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// Account is an AccessKey, with the token of a temporary one.
type Account struct{ KeyID, Secret, Token string }

// The environment variables of Alibaba's own tools.
const (
	EnvKeyID  = "ALIBABA_CLOUD_ACCESS_KEY_ID"
	EnvSecret = "ALIBABA_CLOUD_ACCESS_KEY_SECRET" //nolint:gosec // a variable's name
	EnvToken  = "ALIBABA_CLOUD_SECURITY_TOKEN"
)

// ErrNoAccount says that neither a file nor the environment has an AccessKey.
var ErrNoAccount = errors.New("no AccessKey")

// AccountFrom reads an AccessKey from a file in the format of Alibaba's tools ([default], access_key_id, access_key_secret), or from the
// environment where file is "". Errors never hold what was read.
func AccountFrom(file string, getenv func(string) string) (Account, error) {
	if file == "" {
		a := Account{getenv(EnvKeyID), getenv(EnvSecret), getenv(EnvToken)}
		if a.KeyID == "" || a.Secret == "" {
			return Account{}, fmt.Errorf("%w: set %s and %s, or name a file in credentialsFile", ErrNoAccount, EnvKeyID, EnvSecret)
		}
		return a, nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return Account{}, fmt.Errorf("read the AccessKey: %w", err)
	}
	a, section := Account{}, ""
	for _, line := range strings.Split(string(b), "\n") {
		line = strings.TrimSpace(line)
		key, value, ok := strings.Cut(line, "=")
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
		case line[0] == '[':
			section = strings.Trim(line, "[]")
		case ok && (section == "" || section == "default"):
			a.take(strings.TrimSpace(key), strings.TrimSpace(value))
		}
	}
	if a.KeyID == "" || a.Secret == "" {
		return Account{}, fmt.Errorf("%w in %s: want access_key_id and access_key_secret under [default]", ErrNoAccount, file)
	}
	return a, nil
}

func (a *Account) take(key, value string) {
	switch key {
	case "access_key_id":
		a.KeyID = value
	case "access_key_secret":
		a.Secret = value
	case "security_token":
		a.Token = value
	}
}

// refuse says why an account can't be used.
func (a Account) refuse() error {
	if a.KeyID == "" || a.Secret == "" {
		return ErrNoAccount
	}
	if strings.ContainsAny(a.KeyID+a.Secret+a.Token, " \t\r\n") {
		return errors.New("the AccessKey or its token holds a space or a line's end")
	}
	return nil
}

// Clean takes the account's secrets out of an error's text. What errors.Is finds stays.
func (c *Client) Clean(err error) error {
	if err == nil {
		return nil
	}
	text := c.keys.clean(err.Error())
	if text == err.Error() {
		return err
	}
	return &cleaned{text, err}
}

type cleaned struct {
	text string
	err  error
}

func (e *cleaned) Error() string { return e.text }

// Is finds sentinels only: nothing is unwrapped whose text holds a secret.
func (e *cleaned) Is(target error) bool { return errors.Is(e.err, target) }
