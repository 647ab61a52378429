// The server of scenarios.py by Boost.Beast; gets a certificate and its key.
// One thread for each connection.

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/beast/websocket/ssl.hpp>

#include <condition_variable>
#include <deque>
#include <iostream>
#include <mutex>
#include <string>
#include <thread>

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
using tcp = asio::ip::tcp;

static std::mutex mutex;
static std::condition_variable more;
static std::deque<std::string> reports;

template <class Socket>
void say(Socket& ws, const std::string& text)
{
    ws.text(true);
    ws.write(asio::buffer(text));
}

template <class Socket>
std::string hear(Socket& ws)
{
    beast::flat_buffer buffer;
    ws.read(buffer);
    return beast::buffers_to_string(buffer.data());
}

template <class Socket>
void converse(Socket& ws, const std::string& path)
{
    if (path == "/echo") {
        for (;;) {
            beast::flat_buffer buffer;
            ws.read(buffer);
            ws.text(ws.got_text());
            ws.write(buffer.data());
        }
    } else if (path == "/fragments") {
        const std::string texts[] = {"one, ", "two, ", "drei €"};
        ws.text(true);
        for (int i = 0; i < 3; ++i)
            ws.write_some(i == 2, asio::buffer(texts[i]));
        ws.binary(true);
        for (char i = 0; i < 3; ++i)
            ws.write_some(i == 2, asio::buffer(&i, 1));
        hear(ws);
    } else if (path == "/ping") {
        ws.control_callback([&](websocket::frame_type kind, beast::string_view data) {
            if (kind == websocket::frame_type::pong && data == "payload")
                say(ws, "pong");
        });
        ws.ping("payload");
        hear(ws);
    } else if (path == "/bye") {
        ws.close({websocket::close_code(4001), "server says bye"});
    } else if (path == "/report") {
        hear(ws);
    } else if (path == "/reported") {
        std::unique_lock<std::mutex> lock(mutex);
        more.wait(lock, [] { return !reports.empty(); });
        std::string note = reports.front();
        reports.pop_front();
        lock.unlock();
        say(ws, note);
        hear(ws);
    } else if (path == "/numbers") {
        int wanted = std::stoi(hear(ws));
        for (int number = 0; number < wanted; ++number)
            say(ws, std::to_string(number));
        say(ws, "end");
        hear(ws);
    } else if (path == "/count") {
        for (int number = 0;;) {
            std::string text = hear(ws);
            if (text == "end")
                say(ws, std::to_string(number));
            else if (text == std::to_string(number))
                ++number;
        }
    }
}

template <class Stream>
void serve(Stream stream)
{
    beast::flat_buffer buffer;
    http::request<http::string_body> request;
    http::read(stream, buffer, request);
    websocket::stream<Stream> ws(std::move(stream));
    websocket::permessage_deflate deflate;
    deflate.server_enable = true;
    ws.set_option(deflate);
    ws.read_message_max(1 << 25);
    ws.auto_fragment(false);
    ws.set_option(websocket::stream_base::decorator([&](websocket::response_type& answer) {
        for (auto name : http::token_list(request[http::field::sec_websocket_protocol]))
            if (name == "echo")
                answer.set(http::field::sec_websocket_protocol, "echo");
    }));
    ws.accept(request);
    std::string path(request.target());
    try {
        converse(ws, path);
    } catch (const beast::system_error&) {
        if (path == "/report") {
            std::lock_guard<std::mutex> lock(mutex);
            auto reason = ws.reason();
            reports.push_back(std::to_string(reason.code) + " " + reason.reason.c_str());
            more.notify_all();
        }
    }
}

template <class Wrap>
void listen(tcp::acceptor& acceptor, Wrap wrap)
{
    for (;;) {
        tcp::socket socket(acceptor.get_executor());
        acceptor.accept(socket);
        socket.set_option(tcp::no_delay(true));
        std::thread([wrap](tcp::socket own) {
            try {
                wrap(std::move(own));
            } catch (const std::exception& error) {
                std::cerr << error.what() << std::endl;
            }
        }, std::move(socket)).detach();
    }
}

int main(int, char** arguments)
{
    asio::io_context io;
    asio::ssl::context context(asio::ssl::context::tls_server);
    context.use_certificate_chain_file(arguments[1]);
    context.use_private_key_file(arguments[2], asio::ssl::context::pem);
    const tcp::endpoint loopback(asio::ip::make_address("127.0.0.1"), 0);
    tcp::acceptor plain(io, loopback), tls(io, loopback);
    std::cout << plain.local_endpoint().port() << " " << tls.local_endpoint().port()
              << std::endl;
    std::thread secured([&] {
        listen(tls, [&](tcp::socket socket) {
            beast::ssl_stream<tcp::socket> stream(std::move(socket), context);
            stream.handshake(asio::ssl::stream_base::server);
            serve(std::move(stream));
        });
    });
    listen(plain, [](tcp::socket socket) { serve(std::move(socket)); });
}
