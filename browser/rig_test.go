package browser

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/jackc/pgx/v5"
)

// pictures takes the pictures of the pages anew, which takes longer: the plots have to
// have something to show.
var pictures = flag.Bool("pictures", false, "write docs/images")

// Addresses of what runs during the tests.
var (
	workspaceURL string // of the local Lakebase
	proxyURL     string // of the proxy's pages
	demoURL      string
	clientID     uint32 // of a client with an open transaction
	chromium     context.Context
)

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		fmt.Println("a browser is needed: make browser")
		return
	}
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// run starts a local Lakebase, a proxy under load and a browser, and runs the tests.
func run(m *testing.M) (code int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "lakebase-browser-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "lakebase")
	if out, err := exec.CommandContext(ctx, "go", "build", "-C", "..", "-o", program, "./cmd/lakebase").CombinedOutput(); err != nil {
		return 0, fmt.Errorf("%w: %s", err, out)
	}
	var programs programs
	defer func() { err = errors.Join(err, programs.stop()) }()
	var lakebase struct {
		URL string            `json:"workspace_url"`
		Env map[string]string `json:"env"`
	}
	if err := programs.start(ctx, &lakebase, nil, program, "local", "--ephemeral", "--port", "0", "--project", "shop", "--token-lifetime", "1m", "-o", "json"); err != nil {
		return 0, err
	}
	workspaceURL = lakebase.URL + "/"
	env := []string{}
	for name, value := range lakebase.Env {
		if name != "LAKEBASE_ENDPOINT" {
			env = append(env, name+"="+value)
		}
	}
	var proxy struct {
		Addr string `json:"addr"`
		HTTP string `json:"http_addr"`
	}
	if err := programs.start(ctx, &proxy, env, program, "proxy", "--target", "shop=projects/shop", "--target", "analytics-of-the-european-warehouse=projects/shop", "--default-target", "shop", "--default-pool-size", "4",
		"--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "-o", "json", "--log-level", "error"); err != nil {
		return 0, err
	}
	proxyURL = "http://" + proxy.HTTP + "/"
	if demoURL, err = programs.startDemo(ctx, program); err != nil {
		return 0, err
	}
	load, err := startLoad(ctx, "postgres://ann@"+proxy.Addr+"/shop?sslmode=disable")
	if err != nil {
		return 0, err
	}
	defer load.stop()
	var closeBrowser context.CancelFunc
	chromium, closeBrowser = openBrowser(ctx)
	defer closeBrowser()
	return m.Run(), nil
}

// programs are processes that run during the tests.
type programs []*exec.Cmd

// start starts a program and decodes the first line that it prints into ready.
func (p *programs) start(ctx context.Context, ready any, env []string, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Dir(name)}, env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 20 * time.Second
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	*p = append(*p, cmd)
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("%s: %w", strings.Join(args, " "), err)
	}
	return json.Unmarshal(line, ready)
}

// startDemo starts the demo and returns the address of its page.
func (p *programs) startDemo(ctx context.Context, name string) (url string, err error) {
	cmd := exec.CommandContext(ctx, name, "demo", "--duration", "4m", "--token-lifetime", "15s")
	out, err := cmd.StderrPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	*p = append(*p, cmd)
	events := bufio.NewScanner(out)
	for url == "" && events.Scan() {
		_, url, _ = strings.Cut(events.Text(), "in a browser: ")
	}
	if url == "" {
		return "", errors.New("the demo shows no address")
	}
	go func() {
		for events.Scan() { // until it ends
		}
	}()
	return url, nil
}

// stop ends the programs, the last one first.
func (p *programs) stop() (err error) {
	for i := len(*p) - 1; i >= 0; i-- {
		cmd := (*p)[i]
		err = errors.Join(err, cmd.Process.Signal(os.Interrupt))
		var exit *exec.ExitError
		if e := cmd.Wait(); e != nil && !errors.As(e, &exit) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// load are clients of the proxy.
type load struct {
	cancel  context.CancelFunc
	clients sync.WaitGroup
}

// startLoad starts clients that work, one with an open transaction, and one that is
// refused. It returns when the last two are so far.
func startLoad(ctx context.Context, url string) (*load, error) {
	ctx, cancel := context.WithCancel(ctx)
	l := &load{cancel: cancel}
	connect := func(suffix string) (*pgx.Conn, error) {
		conn, err := pgx.Connect(ctx, url+suffix)
		if err == nil {
			l.clients.Go(func() { <-ctx.Done(); conn.Close(context.Background()) })
		}
		return conn, err
	}
	open, err := connect("&application_name=month-end%20report")
	if err == nil {
		clientID = open.PgConn().PID()
		_, err = open.Exec(ctx, "BEGIN; SELECT 1")
	}
	for i := range 6 {
		if err != nil {
			break
		}
		var conn *pgx.Conn
		if conn, err = connect(fmt.Sprintf("&application_name=orders-%d", i%2+1)); err == nil {
			l.clients.Go(func() { work(ctx, conn, i) })
		}
	}
	if err != nil {
		l.stop()
		return nil, err
	}
	if refused, err := pgx.Connect(ctx, strings.Replace(url, "/shop?", "/nowhere?", 1)); err == nil {
		if _, err := refused.Exec(ctx, "SELECT 1"); err == nil {
			l.stop()
			return nil, errors.New("a database that does not exist answers")
		}
		refused.Close(ctx)
	}
	return l, nil
}

// work sends statements at a pace that changes.
func work(ctx context.Context, conn *pgx.Conn, seed int) {
	for i := seed; ctx.Err() == nil; i++ {
		_, _ = conn.Exec(ctx, "SELECT count(*) FROM pg_class")
		_, _ = conn.Exec(ctx, "SELECT pg_sleep($1)", 0.002+0.002*float64(i%4))
		pace := time.NewTimer(time.Duration(20+15*((time.Now().Unix()/7)%3)) * time.Millisecond)
		select {
		case <-pace.C:
		case <-ctx.Done():
		}
	}
}

func (l *load) stop() {
	l.cancel()
	l.clients.Wait()
}

// openBrowser starts Chromium.
func openBrowser(ctx context.Context) (context.Context, context.CancelFunc) {
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.Flag("hide-scrollbars", true), chromedp.Flag("force-device-scale-factor", "1"))
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox) // it refuses to run as root with it
	}
	ctx, stop := chromedp.NewExecAllocator(ctx, options...)
	ctx, closeAll := chromedp.NewContext(ctx)
	return ctx, func() { closeAll(); stop() }
}
