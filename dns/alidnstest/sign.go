package alidnstest

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // the API's signature is HMAC-SHA1
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// apiError is what the API refuses a request with.
type apiError struct {
	status        int
	code, message string
	retryAfter    time.Duration
}

func refuse(code, message string) *apiError {
	return &apiError{status: http.StatusBadRequest, code: code, message: message}
}

// skew is how far a request's timestamp may be from the server's clock.
const skew = 15 * time.Minute

// authenticate checks who sent a request, and that it is neither changed nor sent twice.
func (s *Server) authenticate(method string, q url.Values) *apiError {
	for _, name := range []string{"Action", "Version", "AccessKeyId", "Signature", "SignatureMethod", "SignatureVersion", "SignatureNonce", "Timestamp"} {
		if q.Get(name) == "" {
			return refuse("Missing"+name, name+" is mandatory for this action.")
		}
	}
	switch {
	case q.Get("Version") != "2015-01-09":
		return refuse("InvalidVersion", "Specified parameter Version is not valid.")
	case q.Get("SignatureMethod") != "HMAC-SHA1" || q.Get("SignatureVersion") != "1.0":
		return refuse("InvalidSignatureMethod", "Specified signature method is not valid.")
	case q.Get("AccessKeyId") != s.o.KeyID:
		return &apiError{status: http.StatusNotFound, code: "InvalidAccessKeyId.NotFound", message: "Specified access key is not found."}
	case s.isExpired(q.Get("SecurityToken")):
		return refuse("InvalidSecurityToken.Expired", "Specified SecurityToken is expired.")
	case q.Get("SecurityToken") != s.token():
		return refuse("InvalidSecurityToken.Mismatch", "Specified SecurityToken mismatches with the AccessKey.")
	}
	if text := stringToSign(method, q); sign(text, s.o.Secret) != q.Get("Signature") {
		return refuse("SignatureDoesNotMatch", "Specified signature is not matched with our calculation. server string to sign is:"+text)
	}
	at, err := time.Parse("2006-01-02T15:04:05Z", q.Get("Timestamp"))
	now := s.o.Now()
	if err != nil {
		return refuse("InvalidTimeStamp.Format", "Specified time stamp or date value is not well formatted.")
	}
	if d := now.Sub(at); d > skew || d < -skew {
		return refuse("InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.")
	}
	return s.useNonce(q.Get("SignatureNonce"), now)
}

// Renew makes another token the account's; the one before it has expired.
func (s *Server) Renew(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expired = append(s.expired, s.o.Token)
	s.o.Token = token
}

func (s *Server) token() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.o.Token
}

func (s *Server) isExpired(token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.expired, token)
}

// useNonce takes a nonce once. Nonces whose timestamp would be refused are forgotten.
func (s *Server) useNonce(nonce string, now time.Time) *apiError {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, used := s.nonces[nonce]; used {
		return refuse("SignatureNonceUsed", "Specified signature nonce was used already.")
	}
	for n, at := range s.nonces {
		if now.Sub(at) > 2*skew {
			delete(s.nonces, n)
		}
	}
	s.nonces[nonce] = now
	return nil
}

// stringToSign is the method and all parameters but the signature, in order.
func stringToSign(method string, q url.Values) string {
	var parts []string
	for name, values := range q {
		if name != "Signature" {
			parts = append(parts, escape(name)+"="+escape(values[0]))
		}
	}
	slices.Sort(parts)
	return method + "&%2F&" + escape(strings.Join(parts, "&"))
}

// escape percent-encodes by RFC 3986.
func escape(s string) string {
	return strings.NewReplacer("+", "%20", "*", "%2A", "%7E", "~").Replace(url.QueryEscape(s))
}

func sign(text, secret string) string {
	mac := hmac.New(sha1.New, []byte(secret+"&"))
	mac.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
