set terminal svg size 720,614 dynamic enhanced font "sans,13" background rgb "white"
set encoding utf8
set xlabel "count" noenhanced
set ylabel "main.test.accuracy (%)" noenhanced
set grid lc rgb "#cccccc"
set border 3
set tics nomirror
set key below noenhanced height 1.5
set title "main.test.accuracy (%) against count, mean ± 95 % interval over 5 seeds" noenhanced
set xrange [11.4:24.6]
set xtics ("12" 12.0, "24" 24.0) noenhanced
$line0 << EOD
12.0 86.79 0.3911734287118832
24.0 81.91 0.5912589623808814
EOD
$line1 << EOD
12.0 86.87 0.5915848146857954
24.0 81.16 1.367522528011912
EOD
$line2 << EOD
12.0 86.79 0.3911734287118832
24.0 81.91 0.5912589623808814
EOD
$line3 << EOD
12.0 86.56 0.4876594846551773
24.0 76.96 8.854248423682286
EOD
$line4 << EOD
12.0 86.95 0.5175669018790149
24.0 82.21 0.7442219543143076
EOD
$line5 << EOD
12.0 86.56 0.5437155769706071
24.0 80.91000000000001 0.8684993668736886
EOD
plot $line0 using ($1+(-0.4800000000000001)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 1 lc rgb "#0072B2" title "relevance", \
     $line1 using ($1+(-0.28800000000000003)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 2 lc rgb "#D55E00" title "relevance, classWeights false", \
     $line2 using ($1+(-0.096)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 3 lc rgb "#009E73" title "relevance, place output", \
     $line3 using ($1+(0.096)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 4 lc rgb "#CC79A7" title "l1", \
     $line4 using ($1+(0.2880000000000001)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 5 lc rgb "#E69F00" title "taylor", \
     $line5 using ($1+(0.4800000000000001)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 1 lc rgb "#56B4E9" title "random"
