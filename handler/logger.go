package main

import (
	"bytes"
	"io"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// newLogger logs JSON lines, unsampled and unbuffered: the Functions host kills
// the process without notice.
func newLogger(w io.Writer, level zapcore.Level) *zap.Logger {
	encoder := zapcore.NewJSONEncoder(zapcore.EncoderConfig{
		TimeKey: "time", LevelKey: "level", NameKey: "logger", MessageKey: "msg",
		EncodeTime:  func(t time.Time, e zapcore.PrimitiveArrayEncoder) { e.AppendString(t.UTC().Format(time.RFC3339Nano)) },
		EncodeLevel: zapcore.LowercaseLevelEncoder,
	})
	return zap.New(zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(w)), level))
}

// scrubbed writes what net/http logs as Warn lines, each cut off at the first
// quote: what follows one is a peer's bytes, for example of an answer on an
// idle connection.
type scrubbed struct{ log *zap.Logger }

// newScrubbed lets ten lines a second through: a backend can cause one with each
// frame that it sends.
func newScrubbed(log *zap.Logger) scrubbed {
	return scrubbed{log.WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core {
		return zapcore.NewSamplerWithOptions(core, time.Second, 10, 0)
	}))}
}

func (s scrubbed) Write(line []byte) (int, error) {
	message, _, quoted := bytes.Cut(bytes.TrimSpace(line), []byte(`"`))
	s.log.Warn("net/http", zap.ByteString("message", message), zap.Bool("cut", quoted))
	return len(line), nil
}
